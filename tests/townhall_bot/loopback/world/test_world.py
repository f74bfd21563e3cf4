"""The state that everybody watches."""

from __future__ import annotations

import pytest

from townhall_bot.loopback import LoopbackDiscord, ManualClock
from townhall_bot.loopback.world import world
from townhall_bot.loopback.world.enums import InteractionType
from townhall_bot.loopback.world.events import Change


async def test_whoever_subscribes_hears_of_every_change() -> None:
    server = LoopbackDiscord()
    town = server.townhall()
    heard: list[Change] = []
    stop = server.world.subscribe(heard.append)
    message = await town.people["ada"].say("hello")
    server.world.delete(message)
    stop()
    await town.people["ada"].say("unheard")
    assert [(change.kind, change.message) for change in heard] == [
        ("message_created", message),
        ("message_deleted", message),
    ]


async def test_waiting_ends_with_the_change_or_the_time() -> None:
    server = LoopbackDiscord()
    general = server.townhall().channels["general"]
    with pytest.raises(TimeoutError):
        await server.world.until(lambda: general.messages, 0.01)
    await server.townhall().people["ada"].say("hello")
    await server.world.until(lambda: general.messages, 0.01)


async def test_ids_grow_even_while_the_clock_stands_still() -> None:
    ids = LoopbackDiscord(clock=ManualClock()).world.ids
    made = [ids.next() for _ in range(100)]
    assert made == sorted(set(made))


async def test_what_is_over_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "HISTORY_LIMIT", 3)
    clock = ManualClock()
    server = LoopbackDiscord(clock=clock)
    town = server.townhall()
    ada, general = town.people["ada"], town.channels["general"]
    for number in range(5):
        await ada.say(str(number))
    assert [message.content for message in general.messages] == ["2", "3", "4"]
    first = server.world.interact(InteractionType.COMMAND, ada.user, general, {})
    clock.advance(16 * 60)
    second = server.world.interact(InteractionType.COMMAND, ada.user, general, {})
    assert list(server.world.interactions) == [second.id]
    assert server.world.interaction_by_token(first.token) is None


async def test_a_channel_that_is_not_there_is_named_with_those_that_are() -> None:
    guild = LoopbackDiscord().townhall().guild
    assert guild.channel("#gpt2").name == "gpt2"
    with pytest.raises(KeyError, match="no channel #nowhere in Townhall; there are: #general, #gpt2"):
        guild.channel("nowhere")
