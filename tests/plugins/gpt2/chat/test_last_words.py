"""What reaches a person, and what reaches nobody else, when something around the text fails or ends."""

from __future__ import annotations

import asyncio

import pytest

from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import FINISHED, answered, begin, half_written
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.discordpy import backoff
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.replies import Refusal
from townhall_bot.store import Records
from townhall_bot.testkit import StartTownhall

EDIT = "/webhooks/*/messages/@original"


async def test_a_stop_of_the_bot_waits_until_discord_has_the_last_words(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada)
    last_words = discord_server.faults.hold("PATCH", EDIT)
    gate.open()
    stopping = asyncio.create_task(townhall.stop())
    await last_words.arrived.wait()
    await ada.say("Are you still there?")  # time passes
    assert not stopping.done()
    last_words.release()
    await stopping
    assert turn.text.startswith(f"**Hello**{greedy_text('Hello', 6)[:1]}")
    assert "Writing" not in turn.text


async def test_a_text_that_discord_does_not_take_counts_as_no_success(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    discord_server.faults.answer("PATCH", EDIT, 403, times=100)
    turn = await ada.type("/gpt2 prompt:Hello count:20")
    assert isinstance(await townhall.settled(turn), Refusal)


async def test_stop_below_a_text_whose_end_was_lost_mends_it(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was answered with nothing at all."""
    monkeypatch.setattr(backoff, "uniform", lambda low, high: low)
    townhall, turn, gate = await half_written(start_townhall, ada)
    await turn.until(lambda turn: greedy_text("Hello", 6) in turn.text)
    discord_server.faults.answer("PATCH", EDIT, 503, times=100)
    gate.open()
    assert isinstance(await townhall.settled(turn), Refusal)
    discord_server.faults.clear()
    [growing, said] = turn.messages
    assert said.ephemeral
    assert "its own servers fail" in said.content
    assert await townhall.settled(await ada.press(growing, "Stop")) is None
    assert "Writing" not in growing.content
    assert [button["label"] for button in growing.buttons] == FINISHED


async def test_a_text_that_cannot_be_counted_arrives_all_the_same(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    townhall = await begin(start_townhall)
    monkeypatch.setattr(Records, "add", full)
    turn = await answered(townhall, ada)
    assert turn.text == f"**Hello**{greedy_text('Hello', 20)}"


async def test_what_the_model_writes_is_not_in_the_log_however_much_is_logged(
    start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    script = "xylophone "
    with caplog.at_level("DEBUG", logger="townhall"):
        townhall = await begin(start_townhall, FakeSource(script=script))
        turn = await answered(townhall, ada, "/gpt2 prompt:Hushhush count:40")
    assert "xylophone" in turn.text
    ours = [record for record in caplog.records if record.name.startswith("townhall")]
    assert ours
    lines = "\n".join(record.getMessage() + (record.exc_text or "") for record in ours)
    assert "Hushhush" not in lines
    assert not any(piece in lines for piece in ("xylo", "phone", "'x'", "'y'"))
