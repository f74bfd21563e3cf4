"""The buttons below a text, as people press them: while it grows, afterwards, and after a restart."""

from __future__ import annotations

import pytest

from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import (
    FINISHED,
    answered,
    begin,
    finished,
    half_written,
    interrupted,
    labels,
    opened,
)
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import CommandRefused, Person
from townhall_bot.testkit import StartTownhall


async def test_a_running_text_can_be_stopped_and_keeps_what_was_written(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada, "/gpt2 prompt:Hello count:30 timing:True")
    assert labels(turn.message) == ["Stop"]
    press = await ada.press(turn.message, "Stop")
    await press.acknowledged(timeout=3)
    gate.open()
    assert await townhall.settled(turn) is None
    first, stopped, measured = turn.text.split("\n")
    assert f"**Hello**{greedy_text('Hello', 30)}".startswith(first)
    assert stopped == "-# Stopped."
    assert "tokens in" in measured
    assert labels(turn.message) == FINISHED


async def test_a_waiting_text_can_be_stopped_at_once_and_frees_its_place(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(rows=1, before_step=gate), MEMBER_LIMIT="1")
    running = await ada.type("/gpt2 prompt:Hello count:3")
    await running.until(lambda turn: "Reading" in turn.text)
    waiting = await ben.type("/gpt2 prompt:Mine count:3")
    await waiting.until(lambda turn: "You are next" in turn.text)
    await ben.press(waiting.message, "Stop")
    assert await townhall.settled(waiting) is None  # while the other still holds the engine
    assert waiting.text == "**Mine**\n-# Stopped."
    again = await ben.press(waiting.message, "Again")
    await again.until(lambda turn: "You are next" in turn.text)
    gate.open()
    await finished(again)
    assert again.text == f"**Mine**{greedy_text('Mine', 3)}"
    assert await townhall.settled(running) is None


async def test_stop_is_there_from_the_first_second_even_while_the_model_loads(
    start_townhall: StartTownhall, ada: Person
) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(before_open=lambda name: gate("open")))
    turn = await ada.type("/gpt2 prompt:Hello count:3")
    await turn.until(lambda turn: turn.messages and labels(turn.message) == ["Stop"], timeout=3)
    await ada.press(turn.message, "Stop")
    assert await townhall.settled(turn) is None
    assert turn.text == "**Hello**\n-# Stopped."
    gate.open()


async def test_a_stranger_may_not_stop_or_delete_but_a_moderator_may(
    start_townhall: StartTownhall, ada: Person, ben: Person, admin: Person
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada)
    refused = await ben.press(turn.message, "Stop")
    await refused.until(lambda turn: turn.messages)
    assert refused.message.ephemeral
    assert refused.text == f"Only <@{ada.id}> and members with Manage Messages may stop this text."
    assert not refused.message.pings
    await (await admin.press(turn.message, "Stop")).acknowledged()
    gate.open()
    assert await townhall.settled(turn) is None
    assert "Stopped." in turn.text

    message = turn.message
    refused = await ben.press(message, "Delete")
    await refused.until(lambda turn: turn.messages)
    assert "may delete this text" in refused.text
    for button in ("Again", "Continue", "Edit…"):
        refused = await ben.press(message, button)
        await refused.until(lambda turn: turn.messages)
        assert refused.message.ephemeral
        assert refused.text.startswith(f"These buttons are <@{ada.id}>'s.")
    await admin.press(message, "Delete")
    await turn.until(lambda turn: message.deleted)


@pytest.mark.fresh_seeds
async def test_again_writes_another_text_with_a_new_seed(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(
        townhall, ada, "/gpt2 prompt:Hello there count:30 temperature:1.5 top_k:20 seed:5 timing:True"
    )
    again = await finished(await ada.press(turn.message, "Again"))
    assert again.text.startswith("**Hello there**")
    assert "30 tokens in" in again.text
    assert "seed 5 " not in again.text
    assert again.text.split("\n")[0] != turn.text.split("\n")[0]
    assert turn.message.text == turn.text  # the first one stays


async def test_continue_goes_on_from_the_text(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada)
    more = await finished(await ada.press(turn.message, "Continue"))
    whole = "Hello" + greedy_text("Hello", 40)
    assert more.text.replace("**", "") == whole
    more = await finished(await ada.press(more.message, "Continue"))
    assert more.text.replace("**", "") == "Hello" + greedy_text("Hello", 60)


async def test_the_prompt_can_be_edited_before_asking_again(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada)
    form = await opened(ada, turn.message, "Edit…")
    answer = await finished(await ada.submit(form, prompt="Goodbye", count="12"))
    assert answer.text == f"**Goodbye**{greedy_text('Goodbye', 12)}"
    # What the form cannot use is explained.
    form = await opened(ada, turn.message, "Edit…")
    wrong = await ada.submit(form, prompt="Goodbye", count="many")
    await wrong.until(lambda turn: turn.messages)
    assert wrong.text.splitlines()[0] == "Tokens to write must be a number from 1 to 300, not “many”."
    assert wrong.message.ephemeral
    # What was typed is not lost.
    back = await opened(ada, wrong.message, "Back to the form")
    answer = await finished(await ada.submit(back, count="12"))
    assert answer.text == f"**Goodbye**{greedy_text('Goodbye', 12)}"


async def test_delete_takes_the_text_away(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada)
    message = turn.message
    await ada.press(message, "Delete")
    await turn.until(lambda turn: message.deleted)
    assert ada.guild.channels[0].messages == []


async def test_buttons_work_after_a_restart(start_townhall: StartTownhall, ada: Person, ben: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada)
    await townhall.stop()
    townhall = await begin(start_townhall)
    again = await finished(await ada.press(turn.message, "Again"))
    assert again.text == turn.text
    more = await finished(await ada.press(turn.message, "Continue"))
    assert more.text.replace("**", "") == "Hello" + greedy_text("Hello", 40)
    refused = await ben.press(turn.message, "Continue")
    await refused.until(lambda turn: turn.messages)
    assert "These buttons are" in refused.text
    message = turn.message
    await ada.press(message, "Delete")
    await turn.until(lambda turn: message.deleted)


@pytest.mark.usefixtures("lively")
async def test_a_text_that_a_crash_interrupted_gets_its_buttons_from_stop(
    start_townhall: StartTownhall, ada: Person
) -> None:
    turn = await interrupted(start_townhall, ada)
    await ada.press(turn.message, "Stop")
    await finished(turn)
    assert turn.text == f"**Hello**{greedy_text('Hello', 6)}\n-# The bot was restarted while this was written."
    again = await finished(await ada.press(turn.message, "Again"))
    assert again.text == f"**Hello**{greedy_text('Hello', 30)}"


async def test_a_text_of_several_messages_is_continued_asked_again_and_deleted_as_one(
    start_townhall: StartTownhall, ada: Person
) -> None:
    script = "_*_*_*_*_*_*_*_* "
    townhall = await begin(
        start_townhall, FakeSource(context=4000, script=script), MAX_COUNT="1024", DEFAULT_COUNT="1000"
    )
    turn = await answered(townhall, ada, "/gpt2 prompt:Once count:1024 timing:True")
    assert len(turn.messages) > 1
    assert [labels(message) for message in turn.messages] == [[]] * (len(turn.messages) - 1) + [FINISHED]
    last = turn.messages[-1]
    again = await ada.press(last, "Again")
    await finished(again)
    assert again.text.startswith("**Once**")
    more = await ada.press(last, "Continue")
    await finished(more)
    tokens = int(more.text.rsplit(" + 1024 tokens", 1)[0].rsplit("· ", 1)[1])
    assert tokens > 900  # the prompt was the whole text, not its last page
    messages = turn.messages
    await ada.press(last, "Delete")
    await turn.until(lambda turn: all(message.deleted for message in messages))
    assert not any(message.deleted for message in again.messages)


async def test_any_message_can_be_continued_from_its_menu(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall)
    message = await ben.say("Once upon a time")
    turn = await ada.use_menu("Continue with GPT-2", message)
    assert await townhall.settled(turn) is None
    assert turn.text == f"**Once upon a time**{greedy_text('Once upon a time', 60)}"
    assert labels(turn.message) == FINISHED
    # A text of the bot's own is taken as it was written, without asterisks and small print.
    short = await answered(townhall, ada, "/gpt2 prompt:Hello count:5 timing:True")
    more = await ben.use_menu("Continue with GPT-2", short.message)
    assert await townhall.settled(more) is None
    assert more.text.replace("**", "") == "Hello" + greedy_text("Hello", 65)


async def test_mentions_in_a_message_are_continued_as_the_names_they_show(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall)
    message = await ben.say(f"Dear <@{ada.id}>, look into <#{ada.guild.channels[0].id}>")
    turn = await ada.use_menu("Continue with GPT-2", message)
    assert await townhall.settled(turn) is None
    assert turn.text.startswith("**Dear @ada, look into #general**")


async def test_a_message_without_words_cannot_be_continued(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    message = await ada.say("", files=[("cat.png", b"no words")])
    turn = await ada.use_menu("Continue with GPT-2", message)
    assert await townhall.settled(turn) is not None
    assert turn.text == "There is no text in this message to continue."
    assert turn.message.ephemeral


async def test_who_may_not_use_commands_has_no_menu_either(
    start_townhall: StartTownhall, ada: Person, stranger: Person
) -> None:
    await begin(start_townhall)
    message = await ada.say("Once upon a time")
    with pytest.raises(CommandRefused):
        await stranger.use_menu("Continue with GPT-2", message)
