"""What reaches a person, and what reaches nobody else, when something around the text fails or ends."""

from __future__ import annotations

import asyncio

import pytest

from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.replies import Refusal
from townhall_bot.store import Records
from townhall_bot.testkit import RunningTownhall, StartTownhall

HOST = {
    "TOWNHALL_GPT2_MODEL": "fake",
    "TOWNHALL_GPT2_ALLOWED_MODELS": "fake",
    "TOWNHALL_GPT2_TEMPERATURE": "0",
    "TOWNHALL_GPT2_REPETITION_PENALTY": "1",
}
EDIT = "/webhooks/*/messages/@original"


async def begin(start_townhall: StartTownhall, source: FakeSource) -> RunningTownhall:
    class WithFakeModels(GPT2Plugin):
        def make_service(self, settings: GPT2Settings) -> GPT2Service:
            return GPT2Service(settings, source, available_memory=lambda: None)

    return await start_townhall(WithFakeModels, settings=HOST)


async def test_a_stop_of_the_bot_waits_until_discord_has_the_last_words(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    gate = Gate(after=6)
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    await turn.until(lambda turn: "Writing" in turn.text)
    last_words = discord_server.weather.hold("PATCH", EDIT)
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
    townhall = await begin(start_townhall, FakeSource())
    discord_server.weather.answer("PATCH", EDIT, 403, times=100)
    turn = await ada.type("/gpt2 prompt:Hello count:20")
    assert isinstance(await townhall.settled(turn), Refusal)


async def test_a_text_that_cannot_be_counted_arrives_all_the_same(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    townhall = await begin(start_townhall, FakeSource())
    monkeypatch.setattr(Records, "add", full)
    turn = await ada.type("/gpt2 prompt:Hello count:20")
    assert await townhall.settled(turn) is None
    assert turn.text == f"**Hello**{greedy_text('Hello', 20)}"


async def test_what_the_model_writes_is_not_in_the_log_however_much_is_logged(
    start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    script = "xylophone "
    with caplog.at_level("DEBUG", logger="townhall"):
        townhall = await begin(start_townhall, FakeSource(script=script))
        turn = await ada.type("/gpt2 prompt:Hushhush count:40")
        assert await townhall.settled(turn) is None
    assert "xylophone" in turn.text
    ours = [record for record in caplog.records if record.name.startswith("townhall")]
    assert ours
    lines = "\n".join(record.getMessage() + (record.exc_text or "") for record in ours)
    assert "Hushhush" not in lines
    assert not any(piece in lines for piece in ("xylo", "phone", "'x'", "'y'"))
