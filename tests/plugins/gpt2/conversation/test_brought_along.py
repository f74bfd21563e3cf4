"""Somebody has added the bot to their own account: it answers them wherever they are, and them alone."""

from __future__ import annotations

import asyncio

import pytest

from plugins.gpt2.service.service import GPT2Service
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import FINISHED, host_settings, labels, plugin_with
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import Channel, CommandRefused, LoopbackDiscord, Person, Turn
from townhall_bot.loopback.world import permissions
from townhall_bot.replies import alone
from townhall_bot.testkit import RunningTownhall, StartTownhall

TEXT = f"**Hello**{greedy_text('Hello', 8)}"


async def started(start_townhall: StartTownhall, source: FakeSource | None = None) -> RunningTownhall:
    settings = {"TOWNHALL_USER_INSTALLS": "true", **host_settings(DEFAULT_COUNT="8")}
    return await start_townhall(plugin_with(source or FakeSource()), settings=settings)


@pytest.fixture
def traveller(discord_server: LoopbackDiscord, ada: Person) -> Person:
    """Ada on a server that the bot is not in, with the bot on her account."""
    elsewhere = discord_server.add_guild("Elsewhere", bot_permissions=None)
    elsewhere.add_channel("lounge")
    person = Person(elsewhere.add_user(ada.user, permissions.MEMBER))
    person.install()
    return person


def places(server: LoopbackDiscord, traveller: Person, ben: Person) -> list[Channel]:
    return [traveller.guild.channel("lounge"), server.world.add_group(traveller.user, ben.user)]


async def asked(townhall: RunningTownhall, person: Person, place: Channel) -> Turn:
    turn = await person.type("/gpt2 prompt:Hello", place)
    assert await townhall.settled(turn) is None
    return turn


async def test_it_writes_for_them_alone_on_other_servers_and_in_group_messages(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, traveller: Person, ben: Person
) -> None:
    townhall = await started(start_townhall)
    for place in places(discord_server, traveller, ben):
        turn = await asked(townhall, traveller, place)
        assert (turn.text, turn.message.ephemeral, labels(turn.message)) == (TEXT, True, FINISHED)
        for button in ("Again", "Continue"):
            more = await traveller.press(turn.message, button)
            assert await townhall.settled(more) is None
            assert more.message.ephemeral
        gone = await traveller.press(turn.message, "Delete")
        assert await townhall.settled(gone) is None
        assert turn.messages == []
        assert place.messages == []  # nobody else has seen anything


async def test_where_the_bot_is_itself_everybody_reads(
    start_townhall: StartTownhall, traveller: Person, ada: Person
) -> None:
    townhall = await started(start_townhall)
    for place in (ada.guild.channel("general"), ada.direct_messages):
        turn = await asked(townhall, ada, place)
        assert not turn.message.ephemeral


async def test_what_is_for_a_server_s_own_bot_does_not_come_along(
    start_townhall: StartTownhall, traveller: Person
) -> None:
    await started(start_townhall)
    for command in ("/gpt2-config", "/gpt2-story prompt:Once", "/gpt2-stats"):
        with pytest.raises(CommandRefused, match="there is no command"):
            await traveller.type(command)


async def test_a_menu_entry_comes_along(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, traveller: Person, ben: Person
) -> None:
    townhall = await started(start_townhall)
    message = await traveller.say("Hello", traveller.guild.channel("lounge"))
    turn = await traveller.use_menu("Continue with GPT-2", message)
    assert await townhall.settled(turn) is None
    assert (turn.text, turn.message.ephemeral) == (TEXT, True)


async def test_a_text_that_would_outlast_its_15_minutes_ends_before(
    start_townhall: StartTownhall, traveller: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere it would go to the channel then, where the bot has no right to write."""
    gate = Gate(after=4)
    townhall = await started(start_townhall, FakeSource(before_step=gate))
    over, cancel = asyncio.Event(), GPT2Service.cancel

    async def noted(service: GPT2Service, request_id: int) -> bool:
        done = await cancel(service, request_id)
        over.set()
        return done

    monkeypatch.setattr(GPT2Service, "cancel", noted)
    monkeypatch.setattr(alone, "TIME_S", 0.1)
    turn = await traveller.type("/gpt2 prompt:Hello count:200", traveller.guild.channel("lounge"))
    await asyncio.wait_for(over.wait(), 10)
    gate.open()
    assert await townhall.settled(turn) is None
    assert "for 15 minutes, and no longer" in turn.text
    assert labels(turn.message) == FINISHED


async def test_after_15_minutes_nothing_is_tried_in_the_channel(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, traveller: Person
) -> None:
    gate = Gate(after=4)
    townhall = await started(start_townhall, FakeSource(before_step=gate))
    turn = await traveller.type("/gpt2 prompt:Hello", traveller.guild.channel("lounge"))
    await turn.until(lambda turn: "Writing" in turn.text)
    turn.interaction.created_at -= 16 * 60
    gate.open()
    assert await townhall.settled(turn) is not None
    assert not [each for each in discord_server.requests if "/channels/" in each.path]
