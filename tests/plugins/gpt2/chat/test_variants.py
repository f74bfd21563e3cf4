"""Several texts of one prompt side by side: written together, one picked, by the asker or after a minute by anybody."""

from __future__ import annotations

import pytest

from plugins.gpt2.chat.message_format import parse
from tests.plugins.gpt2.fake_plugin import FINISHED, answered, begin, finished, half_written, labels, refused
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import LoopbackDiscord, ManualClock, Message, Person
from townhall_bot.replies import LiveReply
from townhall_bot.testkit import StartTownhall

COMMAND = "/gpt2 prompt:Hello count:12 temperature:1 seed:5 variants:3"


@pytest.fixture
def discord_server(discord_on_a_clock: LoopbackDiscord) -> LoopbackDiscord:
    return discord_on_a_clock


def offered(message: Message) -> list[str]:
    [embed] = message.embeds
    return [field["value"].removeprefix("\u2060") for field in embed["fields"]]


async def test_texts_are_written_at_the_same_time_and_one_is_picked(start_townhall: StartTownhall, ada: Person) -> None:
    source = FakeSource(rows=4)
    townhall = await begin(start_townhall, source, MEMBER_LIMIT="1")
    turn = await answered(townhall, ada, COMMAND)
    texts = offered(turn.message)
    assert len(set(texts)) == 3
    assert labels(turn.message) == ["Pick 1", "Pick 2", "Pick 3", "Delete"]
    assert turn.message.content == "**Hello**"
    assert ("decode", 3) in source.models[0].steps
    # Each is what its own seed gives.
    alone = await answered(townhall, ada, "/gpt2 prompt:Hello count:12 temperature:1 seed:6")
    assert alone.text == f"**Hello**{texts[1]}"

    await ada.press(turn.message, "Pick 2")
    await finished(turn)
    assert turn.message.content == f"**Hello**{texts[1]}\n-# Text 2, picked by <@{ada.id}>."
    assert not turn.message.embeds
    assert not turn.message.pings
    assert parse(turn.message.content).whole == "Hello" + texts[1]
    assert labels(turn.message) == FINISHED


@pytest.mark.fresh_seeds
async def test_what_was_picked_goes_on_and_offers_several_again(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, FakeSource(rows=4))
    turn = await answered(townhall, ada, COMMAND)
    text = offered(turn.message)[0]
    await ada.press(turn.message, "Pick 1")
    await finished(turn)
    more = await ada.press(turn.message, "Continue")
    assert await townhall.settled(more) is None
    assert more.message.content == f"**Hello{text}**"
    assert len(offered(more.message)) == 3


async def test_after_a_minute_anybody_may_pick(
    start_townhall: StartTownhall, clock: ManualClock, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, FakeSource(rows=4))
    turn = await answered(townhall, ada, COMMAND)
    clock.advance(59)
    early = await ben.press(turn.message, "Pick 1")
    await early.until(lambda turn: turn.messages)
    assert early.text.startswith(f"<@{ada.id}> has the first choice; anybody may pick <t:")
    assert early.message.ephemeral
    clock.advance(2)
    await ben.press(turn.message, "Pick 1")
    await finished(turn)
    assert f"picked by <@{ben.id}>." in turn.message.content
    # The buttons stay the asker's.
    no = await ben.press(turn.message, "Again")
    await no.until(lambda turn: turn.messages)
    assert "These buttons are" in no.text


async def test_a_host_may_leave_the_choice_to_the_asker(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, FakeSource(rows=4), VOTE_AFTER_S="0")
    turn = await answered(townhall, ada, COMMAND)
    no = await ben.press(turn.message, "Pick 1")
    await no.until(lambda turn: turn.messages)
    assert no.text == f"Only <@{ada.id}> may pick one of these texts."


@pytest.mark.usefixtures("lively")
async def test_stop_ends_all_of_them_and_what_there_is_can_be_picked(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada, COMMAND.replace("12", "300"), ROWS="4")
    await (await ada.press(turn.message, "Stop")).acknowledged()
    gate.open()
    assert await townhall.settled(turn) is None
    assert all(len(text) < 100 for text in offered(turn.message))
    await ada.press(turn.message, "Pick 1")
    await finished(turn)


async def test_long_texts_stand_below_each_other(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LiveReply.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(
        LiveReply.__init__.__kwdefaults__, "interval", 30.0
    )  # while the clock stands, so do rate limits
    townhall = await begin(
        start_townhall, FakeSource(rows=4, context=2000, script="Hello " + "abcdefghij" * 150), MAX_COUNT="1024"
    )
    turn = await answered(townhall, ada, COMMAND.replace("12", "1024"))
    assert [embed["title"] for embed in turn.message.embeds] == ["1", "2", "3"]
    await ada.press(turn.message, "Pick 3")
    await finished(turn)
    assert len(parse(turn.message.content).text) == 1024


async def test_at_temperature_0_there_is_one(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:3 temperature:0 variants:4")
    assert turn.text.endswith("-# At temperature 0 every text is the same, so there is one.")
    assert labels(turn.message) == FINISHED


async def test_who_has_no_place_left_gets_none_of_them(start_townhall: StartTownhall, ada: Person) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(rows=1, before_step=gate), MEMBER_LIMIT="1", QUEUE_LIMIT="2")
    first = await ada.type("/gpt2 prompt:Hello count:3")
    await first.until(lambda turn: turn.messages)
    assert "You have 1 text on the way" in await refused(townhall, ada, COMMAND)
    gate.open()
    assert await townhall.settled(first) is None
    assert "queue is full" in await refused(townhall, ada, COMMAND.replace("variants:3", "variants:4"))
