"""The options of /gpt2, as people use them: typed, kept by buttons of every version, edited, refused and shown."""

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
from townhall_bot.loopback import Guild, Message, Person
from townhall_bot.testkit import StartTownhall

NAMES = [
    "prompt",
    "count",
    "temperature",
    "timing",
    "top_k",
    "top_p",
    "seed",
    "min_p",
    "repetition_penalty",
    "ending",
    "variants",
]
WITHOUT_REPETITION = "repetition_penalty:2"
"""The fake model's letters lie so close together that none comes twice with it."""
LIKELIEST = "temperature:2 min_p:1"
"""What is as likely as the likeliest is the likeliest alone, however bold."""


def rewritten(message: Message, options: str) -> Message:
    """Give a message's buttons ids with other options, as another version of the bot wrote them."""
    for button in message.components[0]["components"]:
        button["custom_id"] = ":".join([*button["custom_id"].split(":")[:4], options])
    return message


def options_of(message: Message) -> set[str]:
    return {str(button["custom_id"]).split(":", 4)[4] for button in message.buttons}


def written(text: str) -> str:
    """Return what stands behind the prompt."""
    return text.split("**")[-1].split("\n")[0]


async def a_text_of_before(start_townhall: StartTownhall, person: Person, options: str = "20,0,0,0.95,0") -> Message:
    """Return a text of 20 tokens whose buttons the version before letters had made."""
    townhall = await begin(start_townhall)
    return rewritten((await answered(townhall, person, "/gpt2 prompt:Hello count:20 temperature:0")).message, options)


async def test_old_options_come_first_and_all_have_bounds_and_german_descriptions(
    start_townhall: StartTownhall, guild: Guild
) -> None:
    await begin(start_townhall)
    [command] = [command for command in guild.world.registered(None) if command.name == "gpt2"]
    options = command.definition["options"]
    assert [option["name"] for option in options] == NAMES
    assert [option["name"] for option in options if option.get("required")] == ["prompt"]
    bounds = {option["name"]: (option.get("min_value"), option.get("max_value")) for option in options}
    assert (bounds["count"], bounds["min_p"], bounds["repetition_penalty"]) == ((1, 300), (0, 1), (1, 2))
    german = {option["name"]: option["description_localizations"]["de"] for option in options}
    assert german["min_p"] == (
        "Tokens mit weniger als diesem Anteil der Chance des wahrscheinlichsten weglassen. 0: keine"
    )
    assert german["repetition_penalty"].startswith("Wie viel unwahrscheinlicher wird, was schon dasteht")
    assert len(set(german.values())) == len(NAMES)


async def test_min_p_leaves_out_what_is_far_less_likely(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada, f"/gpt2 prompt:Hello count:20 seed:1 {LIKELIEST}")
    assert turn.text == f"**Hello**{greedy_text('Hello', 20)}"


async def test_the_repetition_penalty_keeps_a_text_from_repeating_itself(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada, f"/gpt2 prompt:Hello count:12 {WITHOUT_REPETITION}")
    assert len(set("elo" + written(turn.text))) == 3 + 12


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("2.CkM15o", "min_p is 1.5; allowed is 0 to 1."),
        ("2.CkRp0", "repetition_penalty is 0.9; allowed is 1 to 2."),
        ("2.CkT1xg", "temperature is 2.5; allowed is 0 to 2."),
        ("20,9,0,0.95,0", "temperature is 9.0; allowed is 0 to 2."),
        ("2.C0", "count is 0; allowed is 1 to 300."),
    ],
)
async def test_what_is_out_of_bounds_in_an_id_is_refused_with_what_is_allowed(
    start_townhall: StartTownhall, ada: Person, options: str, reason: str
) -> None:
    message = await a_text_of_before(start_townhall, ada, options)
    refused = await ada.press(message, "Again")
    await refused.until(lambda turn: turn.messages)
    assert refused.text == reason
    assert refused.message.ephemeral


@pytest.mark.fresh_seeds  # of which nothing depends where min_p leaves one token
async def test_options_survive_again_continue_edit_and_a_restart(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada, f"/gpt2 prompt:Hello count:20 {LIKELIEST}")
    again = await finished(await ada.press(turn.message, "Again"))
    assert again.text == turn.text
    await townhall.stop()
    await begin(start_townhall)
    more = await finished(await ada.press(again.message, "Continue"))
    assert more.text.replace("**", "") == "Hello" + greedy_text("Hello", 40)
    form = await opened(ada, more.message, "Edit…")
    edited = await finished(await ada.submit(form, prompt="Goodbye", count="12"))
    assert edited.text == f"**Goodbye**{greedy_text('Goodbye', 12)}"
    assert options_of(turn.message) == options_of(again.message) == options_of(more.message)
    assert options_of(edited.message) == {next(iter(options_of(turn.message))).replace("Ck", "Cc")}


async def test_below_a_text_stands_what_was_set_otherwise_than_here_usual(
    start_townhall: StartTownhall, ada: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)  # where the repetition penalty is 1
    turn = await answered(
        townhall, ada, "/gpt2 prompt:Hello count:3 seed:7 min_p:0.25 repetition_penalty:1 timing:True"
    )
    assert " · seed 7 · min_p 0.25 · fake on FAKE, fp32" in turn.text
    guild.locale = ada.user.locale = "de"
    again = await ada.press(turn.message, "Again")
    await again.until(lambda turn: turn.messages and "min_p 0,25 · fake auf FAKE" in turn.text)
    usual = await answered(townhall, ada, "/gpt2 prompt:Hello count:3 seed:7 timing:True")
    assert " · Startwert 7 · fake auf FAKE, fp32" in usual.text
    silent = await answered(townhall, ada, "/gpt2 prompt:Hello count:3 min_p:0.25")
    assert "min_p" not in silent.text


async def test_a_button_of_before_continues_and_asks_again_as_it_was_made_to(
    start_townhall: StartTownhall, ada: Person
) -> None:
    message = await a_text_of_before(start_townhall, ada)
    assert message.buttons[0]["custom_id"] == f"gpt2:again:{ada.id}:0:20,0,0,0.95,0"
    again = await finished(await ada.press(message, "Again"))
    assert again.text == f"**Hello**{greedy_text('Hello', 20)}"
    more = await finished(await ada.press(message, "Continue"))
    assert more.text.replace("**", "") == "Hello" + greedy_text("Hello", 40)
    further = await finished(await ada.press(more.message, "Continue"))  # whose buttons are of today
    assert further.text.replace("**", "") == "Hello" + greedy_text("Hello", 60)


async def test_a_button_of_before_opens_the_form_with_its_count_and_deletes(
    start_townhall: StartTownhall, ada: Person
) -> None:
    message = await a_text_of_before(start_townhall, ada, "7,0,0,0.95,1")
    form = await opened(ada, message, "Edit…")
    edited = await finished(await ada.submit(form, prompt="Goodbye"))
    assert edited.text.startswith(f"**Goodbye**{greedy_text('Goodbye', 7)}\n")
    assert " + 7 tokens in " in edited.text
    turn = await ada.press(message, "Delete")
    await turn.until(lambda turn: message.deleted)


async def test_a_stop_of_before_ends_a_text_that_is_written_and_one_that_a_crash_interrupted(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada)
    await (await ada.press(rewritten(turn.message, "30,0,0,0.95,0"), "Stop")).acknowledged()
    gate.open()
    assert await townhall.settled(turn) is None
    assert turn.text.endswith("-# Stopped.")
    await townhall.stop()

    turn = await interrupted(start_townhall, ada)
    await ada.press(rewritten(turn.message, "30,0,0,0.95,0"), "Stop")
    await finished(turn)
    again = await finished(await ada.press(turn.message, "Again"))
    assert again.text == f"**Hello**{greedy_text('Hello', 30)}"


async def test_an_option_that_a_button_of_before_does_not_know_is_as_the_host_has_it(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await begin(start_townhall, REPETITION_PENALTY="2")
    message = rewritten((await answered(townhall, ada)).message, "12,0,0,0.95,0")
    again = await finished(await ada.press(message, "Again"))
    assert len(set("elo" + written(again.text))) == 3 + 12


@pytest.mark.parametrize("options", ["3.something-new", "2.CkZ5"])
async def test_a_button_of_a_newer_version_says_so_and_still_deletes(
    start_townhall: StartTownhall, ada: Person, options: str
) -> None:
    message = await a_text_of_before(start_townhall, ada, options)
    for button in ("Again", "Continue", "Edit…"):
        refused = await ada.press(message, button)
        await refused.until(lambda turn: turn.messages)
        assert refused.text == (
            "A newer version of this bot made this button, and the one that runs now cannot read it. "
            "Please ask with /gpt2."
        )
        assert refused.message.ephemeral
    turn = await ada.press(message, "Delete")
    await turn.until(lambda turn: message.deleted)


async def test_a_text_that_a_newer_version_left_unfinished_is_ended_and_keeps_its_options(
    start_townhall: StartTownhall, ada: Person
) -> None:
    turn = await interrupted(start_townhall, ada)
    await ada.press(rewritten(turn.message, "3.something-new"), "Stop")
    await finished(turn)
    assert labels(turn.message) == FINISHED
    assert options_of(turn.message) == {"3.something-new"}
