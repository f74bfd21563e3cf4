"""Whoever deletes an answer has cancelled it; and an answer in which nothing can be seen says so."""

import asyncio
import threading

import pytest

from plugins.gpt2.chat.message_format import is_visible
from plugins.gpt2.service.service import GPT2Service
from tests.plugins.gpt2.fake_plugin import answered, begin
from tests.plugins.gpt2.fake_source import FakeSource
from tests.townhall_bot.replies.growing import ANSWER
from townhall_bot.loopback import LoopbackDiscord, Person, TownhallWorld
from townhall_bot.replies import LiveReply
from townhall_bot.testkit import StartTownhall


class Steps:
    """Lets the model take as many steps as it was given, and counts them."""

    def __init__(self, free: int) -> None:
        self.taken = 0
        self.free = threading.Semaphore(free)

    def __call__(self, kind: str) -> None:
        self.free.acquire(timeout=20)
        self.taken += 1


@pytest.mark.parametrize("whole", ["message", "channel"])
async def test_who_deletes_an_answer_has_cancelled_it(
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    world: TownhallWorld,
    ada: Person,
    monkeypatch: pytest.MonkeyPatch,
    whole: str,
) -> None:
    """It went on to its end, and its second page appeared with its buttons."""
    assert LiveReply.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(LiveReply.__init__.__kwdefaults__, "interval", 0.001)
    cancelled, cancel = asyncio.Event(), GPT2Service.cancel

    async def noted(service: GPT2Service, request_id: int) -> bool:
        cancelled.set()
        return await cancel(service, request_id)

    monkeypatch.setattr(GPT2Service, "cancel", noted)
    steps = Steps(6)
    townhall = await begin(start_townhall, FakeSource(before_step=steps, context=2000), MAX_COUNT="1024")
    turn = await ada.type("/gpt2 prompt:Hello count:1000")
    await turn.until(lambda turn: "Writing" in turn.text)
    held = discord_server.faults.hold("PATCH", ANSWER)
    steps.free.release(3)
    await held.arrived.wait()
    if whole == "message":
        world.guild.world.delete(turn.message)
    else:
        discord_server.faults.answer("PATCH", ANSWER, 404, code=10003)
    held.release()
    steps.free.release(3)
    await asyncio.wait_for(cancelled.wait(), 10)
    before = steps.taken
    steps.free.release(2000)
    assert await townhall.settled(turn) is None
    assert steps.taken - before < 10
    assert len(world.channels["general"].messages) == (0 if whole == "message" else 1)


@pytest.mark.parametrize("script", ["\n", " ", "\x00"])
async def test_it_is_said_that_nothing_visible_was_written(
    start_townhall: StartTownhall, ada: Person, script: str
) -> None:
    townhall = await begin(start_townhall, FakeSource(script=script, context=2000), MAX_COUNT="1024")
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:200")
    assert "-# The model wrote nothing that can be seen: white space only." in turn.message.content


@pytest.mark.parametrize("text", ["", "\xa0", "\u200b\u2060", "\u0301", " \t\r\n", "\x1b"])
def test_marks_and_spaces_of_any_kind_are_nothing_to_see(text: str) -> None:
    assert not is_visible(text)
    assert is_visible(f"{text}.")


async def test_a_text_that_can_be_seen_says_nothing_of_the_kind(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, FakeSource(script=" \n.", context=2000))
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:20")
    assert "nothing that can be seen" not in turn.message.content
