"""Two processes share out one bot's servers: here two bots on one local Discord and one data folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise

import pytest

from plugins.ping.plugin import PingPlugin
from tests.plugins.gpt2.fake_plugin import host_settings, plugin_with
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.loopback.world import permissions
from townhall_bot.shards import turns
from townhall_bot.store import lock
from townhall_bot.testkit import RunningTownhall, StartTownhall

APART_S = 0.15


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, discord_server: LoopbackDiscord) -> None:
    """Turns come as they do at Discord, in less time; the local Discord sends away who does not wait for them."""
    monkeypatch.setattr(turns, "IDENTIFY_SECONDS", APART_S)
    discord_server.gateway.identify_seconds = APART_S - 0.02


def shards(text: str, **more: str) -> Mapping[str, str]:
    return {"TOWNHALL_SHARDS": text, "TOWNHALL_LOCK_WAIT_S": "0", **more}


def member_of(server: LoopbackDiscord, shard: int, count: int) -> Person:
    """An admin of a server that falls to a shard."""
    while True:
        guild = server.add_guild("Elsewhere")
        if (guild.id >> 22) % count == shard:
            guild.add_channel("general")
            return Person(guild.add_member("somebody", permissions.ADMIN))
        server.world.remove_guild(guild)


async def test_each_serves_its_own_servers_and_sessions_are_begun_apart(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    people = [member_of(discord_server, shard, 4) for shard in range(4)]
    low = await start_townhall(PingPlugin, settings=shards("0-1/4"))
    high = await start_townhall(PingPlugin, settings=shards("2-3/4"))
    assert low.bot.connected
    assert high.bot.connected
    for shard, person in enumerate(people):
        served: RunningTownhall = low if shard < 2 else high
        turn = await person.type("/ping")
        assert await served.settled(turn) is None
        assert turn.text.startswith("Pong")
    begun = list(discord_server.gateway.identifies)
    assert [shard for _, shard in begun] == [0, 1, 2, 3]
    assert all(later - earlier >= APART_S - 0.02 for (earlier, _), (later, _) in pairwise(begun))


async def test_the_owner_of_shard_0_registers_the_commands_for_all(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    def registered() -> list[str]:
        return [each.path for each in discord_server.requests if each.method in ("PUT", "POST", "PATCH")]

    await start_townhall(PingPlugin, settings=shards("1/2"))
    assert registered() == []
    await start_townhall(PingPlugin, settings=shards("0/2"))
    assert len(registered()) == 1


async def test_a_setting_changed_in_one_is_seen_in_the_other(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    admin = member_of(discord_server, 0, 2)
    low, high = [
        await start_townhall(plugin_with(FakeSource()), settings=shards(text, **host_settings()))
        for text in ("0/2", "1/2")
    ]
    turn = await admin.type("/gpt2-config max_count:77")
    assert await low.settled(turn) is None
    guild = admin.guild.id
    assert (await high.bot.store.guild_settings("gpt2").all(guild))["max_count"] == 77


async def test_a_panel_and_its_form_are_answered_by_whoever_took_the_range_over(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    admin = member_of(discord_server, 0, 2)

    async def serving(text: str) -> RunningTownhall:
        return await start_townhall(plugin_with(FakeSource()), settings=shards(text, **host_settings()))

    first = await serving("0/2")
    other = await serving("1/2")
    turn = await admin.type("/gpt2-config")
    assert await first.settled(turn) is None
    form = await admin.press(turn.message, "Numbers…")
    assert await first.settled(form) is None
    await first.stop()
    heir = await serving("0/2")
    sent = await admin.submit(form, max_count="77")
    assert await heir.settled(sent) is None
    assert "Maximum count: the host's default → 77" in turn.text
    pressed = await admin.press(turn.message, "Answer mentions")
    assert await heir.settled(pressed) is None
    kept = await other.bot.store.guild_settings("gpt2").all(admin.guild.id)
    assert kept == {"max_count": 77, "mentions": True}


async def test_the_same_range_twice_is_refused_by_name(start_townhall: StartTownhall) -> None:
    await start_townhall(PingPlugin, settings=shards("0/2"))
    with pytest.raises(lock.Held, match="shard 0 of 2 is served by another Townhall"):
        await start_townhall(PingPlugin, settings=shards("0-1/2"))


async def test_auto_takes_as_many_as_discord_advises(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    discord_server.world.application.advised_shards = 2
    townhall = await start_townhall(PingPlugin, settings=shards("auto"))
    assert townhall.bot.connected
    assert {shard for _, shard in discord_server.gateway.identifies} == {0, 1}


async def test_a_bot_that_lost_a_shard_is_not_connected(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    townhall = await start_townhall(PingPlugin, settings=shards("0-1/2"))
    lost: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def on_shard_disconnect(shard: int) -> None:
        lost.put_nowait(shard)

    async def on_shard_resumed(shard: int) -> None:
        back.put_nowait(shard)

    townhall.bot.event(on_shard_disconnect)
    townhall.bot.event(on_shard_resumed)
    discord_server.gateway.cut_connections()
    first = await asyncio.wait_for(lost.get(), 10)
    assert not townhall.bot.connected
    assert townhall.bot.shard_states()["shards"][str(first)] is False
    assert {await asyncio.wait_for(back.get(), 20) for _ in range(2)} == {0, 1}
    assert townhall.bot.connected
