"""What Discord refuses of an answer to a message is told below the message; what fails for a moment arrives, once."""

from __future__ import annotations

import pytest

from tests.plugins.gpt2.conversation.said import answers_to, mention
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import FINISHED, answered, begin, labels
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.replies import Refusal
from townhall_bot.testkit import StartTownhall

SEND, EDIT = "/channels/{channel_id}/messages", "/channels/{channel_id}/messages/{message_id}"
TEXT = f"**Hello**{greedy_text('Hello', 8)}"


async def test_automod_on_the_finished_text_is_told(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    gate = Gate(after=4)
    townhall = await begin(start_townhall, FakeSource(before_step=gate), DEFAULT_COUNT="8")
    said = await ada.say("Hello", ada.direct_messages)
    await ada.guild.world.until(lambda: answers_to(said) and "Writing" in answers_to(said)[0].content, 5)
    discord_server.faults.answer("PATCH", EDIT, 400, code=200000, times=1)
    gate.open()
    assert isinstance(await townhall.settled(said), Refusal)
    first, told = answers_to(said)
    assert "AutoMod blocks it" in first.content
    assert labels(first) == FINISHED
    assert "AutoMod blocks it" in told.content


@pytest.mark.parametrize("fault", [500, 503, "cut"])
async def test_what_fails_for_a_moment_arrives_once(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person, fault: int | str
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    if fault == "cut":
        discord_server.faults.cut("POST", SEND, times=1)
    else:
        discord_server.faults.answer("POST", SEND, int(fault), times=1)
    said = await ada.say("Hello", ada.direct_messages)
    assert await townhall.settled(said) is None
    assert [each.content for each in answers_to(said)] == [TEXT]


async def test_where_it_cannot_be_told_either_the_host_reads_it(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    discord_server.faults.answer("POST", SEND, 403, code=50013, times=100)
    said = await ada.say("Hello", ada.direct_messages)
    assert isinstance(await townhall.settled(said), Refusal)
    assert answers_to(said) == []
    assert f"request {said.id}: its answer did not arrive" in caplog.text
    assert "Traceback" not in caplog.text


async def test_who_deletes_the_answer_has_stopped_it(start_townhall: StartTownhall, admin: Person, ada: Person) -> None:
    gate = Gate(after=4)
    townhall = await begin(start_townhall, FakeSource(before_step=gate), DEFAULT_COUNT="8")
    await answered(townhall, admin, "/gpt2-config mentions:True")
    said = await ada.say(f"{mention(townhall)} Hello")
    await ada.guild.world.until(lambda: answers_to(said) and "Writing" in answers_to(said)[0].content, 5)
    await admin.delete(answers_to(said)[0])
    gate.open()
    assert await townhall.settled(said) is None
    assert answers_to(said) == []


async def test_a_message_that_is_told_of_twice_is_answered_once(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    discord_server.gateway.delays = lambda name: (0.0, 0.0) if name == "MESSAGE_CREATE" else (0.0,)
    first = await ada.say("Hello", ada.direct_messages)
    assert await townhall.settled(first) is None
    second = await ada.say("Hello", ada.direct_messages)
    assert await townhall.settled(second) is None
    assert [len(answers_to(each)) for each in (first, second)] == [1, 1]


async def test_a_message_deleted_before_its_answer_begins_is_not_answered(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    held = discord_server.faults.hold("POST", SEND)
    said = await ada.say("Hello", ada.direct_messages)
    await held.arrived.wait()
    await ada.delete(said)
    held.release()
    other = await ada.say("Hello", ada.direct_messages)
    assert await townhall.settled(other) is None
    await ada.guild.world.until(lambda: len(ada.direct_messages.messages) == 2, 5)
    assert ada.direct_messages.messages == [other, *answers_to(other)]
