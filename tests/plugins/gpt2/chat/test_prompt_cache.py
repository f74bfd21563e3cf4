"""Prompts too long to be shown whole: buttons use all of them while the bot runs, and say so where they cannot."""

from __future__ import annotations

import pytest

from plugins.gpt2.chat.message_format import LONG_PROMPT
from plugins.gpt2.chat.prompt_cache import KEPT
from tests.plugins.gpt2 import fake_plugin
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, opened
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import Message, Person, Turn
from townhall_bot.testkit import RunningTownhall, StartTownhall

STORY = " ".join(f"word{number}" for number in range(110))
ONLY_THE_END = "Of the long prompt only the end was still there to use."


async def begin(start_townhall: StartTownhall, **changes: str) -> RunningTownhall:
    return await fake_plugin.begin(start_townhall, FakeSource(context=8000), **changes)


async def asked(townhall: RunningTownhall, person: Person, prompt: str = STORY) -> Turn:
    return await answered(townhall, person, f"/gpt2 prompt:{prompt} count:20 timing:True")


async def pressed(townhall: RunningTownhall, person: Person, message: Message, label: str) -> Turn:
    turn = await person.press(message, label)
    return await turn.until(lambda turn: turn.messages and len(turn.messages[-1].buttons) == 4)


async def form_of(person: Person, message: Message) -> dict[str, tuple[str, str]]:
    """Open the form behind Edit…; return label and content of each field."""
    turn = await opened(person, message, "Edit…")
    assert turn.modal is not None
    fields = [row["components"][0] for row in turn.modal["components"]]
    return {field["custom_id"]: (field["label"], field.get("value")) for field in fields}


async def test_again_and_continue_use_the_whole_of_a_long_prompt(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    assert len(STORY) > LONG_PROMPT
    turn = await asked(townhall, ada)
    assert STORY not in turn.text  # the channel sees its end
    again = await pressed(townhall, ada, turn.message, "Again")
    assert f"{len(STORY)} + 20 tokens" in again.text
    assert greedy_text(STORY, 20) in again.text
    more = await pressed(townhall, ada, again.message, "Continue")
    assert f"{len(STORY) + 20} + 20 tokens" in more.text
    once_more = await pressed(townhall, ada, more.message, "Continue")
    assert f"{len(STORY) + 40} + 20 tokens" in once_more.text
    assert ONLY_THE_END not in again.text + more.text + once_more.text


async def test_the_form_shows_the_whole_of_a_long_prompt(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await asked(townhall, ada)
    assert (await form_of(ada, turn.message))["prompt"] == ("Prompt", STORY)
    # Discord's forms hold less than its commands.
    longer = await asked(townhall, ada, " ".join([STORY] * 6))
    label, shown = (await form_of(ada, longer.message))["prompt"]
    assert label == "Prompt (its last 4000 characters)"
    assert len(shown) == 4000


async def test_the_menu_of_a_message_goes_on_from_the_whole_too(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await asked(townhall, ada)
    his = await ben.use_menu("Continue with GPT-2", turn.message)
    assert await townhall.settled(his) is None
    assert greedy_text(STORY + greedy_text(STORY, 20), 60) in his.text


async def test_after_a_restart_the_end_is_used_and_that_is_said(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await asked(townhall, ada)
    await townhall.stop()
    townhall = await begin(start_townhall)
    for label in ("Again", "Continue"):
        answer = await pressed(townhall, ada, turn.message, label)
        assert ONLY_THE_END in answer.text
    label, shown = (await form_of(ada, turn.message))["prompt"]
    assert label == "Prompt (only its end was still there)"
    assert STORY.endswith(shown)


async def test_where_the_host_keeps_texts_a_long_prompt_is_found_after_a_restart(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, KEEP_TEXTS_DAYS="2")
    turn = await asked(townhall, ada)
    await asked(townhall, ada, STORY + " another")
    await townhall.stop()
    townhall = await begin(start_townhall, KEEP_TEXTS_DAYS="2")
    again = await pressed(townhall, ada, turn.message, "Again")
    assert f"{len(STORY)} + 20 tokens" in again.text
    assert ONLY_THE_END not in again.text
    assert (await form_of(ada, turn.message))["prompt"] == ("Prompt", STORY)
    his = await ben.use_menu("Continue with GPT-2", turn.message)
    assert await townhall.settled(his) is None
    assert greedy_text(STORY + greedy_text(STORY, 20), 60) in his.text
    # Until its owner has it deleted, or the host keeps none any more.
    privacy = await answered(townhall, ada, "/privacy")
    done = await ada.press(privacy.message, "Delete my data")
    await done.until(lambda turn: "about you" in turn.text)
    assert ONLY_THE_END in (await pressed(townhall, ada, turn.message, "Again")).text


async def test_delete_my_data_forgets_the_asker_s_long_prompts_only(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall)
    hers, his = await asked(townhall, ada), await asked(townhall, ben)
    privacy = await answered(townhall, ada, "/privacy")
    assert (
        f"the newest {KEPT} prompts that are replies or have more than {LONG_PROMPT} characters stay in memory"
        in privacy.text
    )
    done = await ada.press(privacy.message, "Delete my data")
    await done.until(lambda turn: "Done: 1 record about you" in turn.text)
    assert ONLY_THE_END in (await pressed(townhall, ada, hers.message, "Again")).text
    assert ONLY_THE_END not in (await pressed(townhall, ben, his.message, "Again")).text


async def test_the_newest_are_kept(start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.gpt2.chat.prompt_cache.KEPT", 2)
    townhall = await begin(start_townhall)
    oldest, _, newest = [await asked(townhall, ada, f"{STORY} {number}") for number in range(3)]
    assert ONLY_THE_END not in (await pressed(townhall, ada, newest.message, "Again")).text
    assert ONLY_THE_END in (await pressed(townhall, ada, oldest.message, "Again")).text


async def test_a_text_can_be_continued_beyond_what_a_command_takes(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await asked(townhall, ada, "x" * 5990)
    more = await pressed(townhall, ada, turn.message, "Continue")
    assert "6000 + 20 tokens" in more.text.replace(",", "")
