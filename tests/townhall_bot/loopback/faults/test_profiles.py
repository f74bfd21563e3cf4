"""Whole profiles of faults: drawn from a seed, the same again each time, and survived by the real bot."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import aiohttp
import discord
import pytest

from tests.townhall_bot.loopback.example_bot import Connect, ExampleBot
from townhall_bot.loopback import LoopbackDiscord, ManualClock, TownhallWorld
from townhall_bot.loopback.faults.profiles import CALM, DRIZZLE, STORM, FaultProfile
from townhall_bot.loopback.wire.connection import Session


def drawn(profile: FaultProfile, seed: int) -> list[tuple[str, bool, bool] | None]:
    events = [profile.befalls("PATCH", "/webhooks/x", number, seed) for number in range(2000)]
    return [
        None if e is None else (f"{e.kind} {e.status} {e.delay:.3f} {e.retry_after:.3f}", e.after, e.is_global)
        for e in events
    ]


def test_the_same_seed_brings_the_same_storm_and_another_seed_another() -> None:
    assert drawn(STORM, 1) == drawn(STORM, 1)
    assert drawn(STORM, 1) != drawn(STORM, 2)
    assert [STORM.delays("MESSAGE_CREATE", n, 1) for n in range(99)] == [
        STORM.delays("MESSAGE_CREATE", n, 1) for n in range(99)
    ]


def test_a_storm_is_worse_than_a_drizzle_and_a_calm_is_calm() -> None:
    trouble = {profile.name: sum(each is not None for each in drawn(profile, 1)) for profile in (CALM, DRIZZLE, STORM)}
    assert trouble["calm"] == 0
    assert 50 < trouble["drizzle"] < trouble["storm"] / 2
    kinds = Counter(each[0].split(" ")[0] for each in drawn(STORM, 1) if each is not None)
    assert set(kinds) == {"rate", "server", "connections", "slow"}


def test_a_session_begins_in_order_whatever_goes_wrong() -> None:
    assert {STORM.delays("READY", n, 1) for n in range(500)} == {(0.0,)}
    assert {len(STORM.delays("MESSAGE_CREATE", n, 1)) for n in range(500)} == {1, 2}


async def test_a_name_that_no_weather_has_is_refused_with_those_there_are(server: LoopbackDiscord) -> None:
    with pytest.raises(KeyError, match="no weather is called 'snow'; there are: calm, drizzle, storm"):
        server.faults.begin("snow")


async def test_a_rate_limit_comes_with_the_headers_of_its_bucket(server: LoopbackDiscord) -> None:
    server.faults.begin(FaultProfile("strict", rate_limited=1.0, retry_after=(0.5, 0.5), global_limits=0.0))
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bot {server.token}"}
        async with session.get(f"{server.api_url}/users/@me", headers=headers) as response:
            body = await response.json()
            assert response.status == 429
            assert (body["retry_after"], body["global"]) == (0.5, False)
            told = {name: response.headers[name] for name in response.headers if name.startswith("X-RateLimit")}
    assert set(told) == {
        f"X-RateLimit-{end}" for end in ("Limit", "Remaining", "Reset", "Reset-After", "Bucket", "Scope")
    }
    assert (told["X-RateLimit-Remaining"], told["X-RateLimit-Reset-After"]) == ("0", "0.500")


async def test_events_come_twice_and_overtake_each_other(
    connect: Connect, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    bot = await connect(ExampleBot(discord.Intents(guilds=True, guild_messages=True)), sync=False)
    schedule = iter([(0.05,), (0.0, 0.02), (0.0,)])
    server.gateway.delays = lambda _: next(schedule)
    sent = [await world.people["ada"].say(f"number {n}") for n in range(3)]
    ids = [message.id for message in await bot.messages(4)]
    assert ids == [sent[1].id, sent[2].id, sent[1].id, sent[0].id]


async def test_what_was_held_up_while_the_connection_broke_comes_after_the_resume(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    schedule = iter([(0.01,), (0.0,)])
    server.gateway.delays = lambda _: next(schedule, (0.0,))
    await world.people["ada"].say("held up")
    await world.people["ada"].say("in time")
    (early,) = await bot.messages(1)
    server.faults.cut_gateway()
    (late,) = await bot.messages(1)
    assert early.id > late.id
    assert server.gateway.identified == 1


async def test_an_event_that_was_overtaken_and_lost_with_its_connection_is_not_lost_to_who_resumes() -> None:
    delays = iter([(0.001,), (0.0,)])
    session = Session(discord.Intents(guilds=True), (0, 1), lambda text: None, lambda name: next(delays))
    session.queue = connection = asyncio.Queue[str]()
    session.dispatch("MESSAGE_CREATE", {"id": "overtaken"})
    session.dispatch("MESSAGE_CREATE", {"id": "in time"})
    sent = [json.loads(await connection.get()) for _ in range(2)]
    assert [event["d"]["id"] for event in sent] == ["in time", "overtaken"]
    # A client resumes from the last number that it has seen: here from that of the one in time.
    assert [json.loads(text)["d"]["id"] for number, text in session.sent if number > sent[0]["s"]] == ["overtaken"]


async def test_a_connection_cut_without_a_word_is_resumed(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    server.faults.cut_gateway()
    turn = await world.people["ada"].type("/echo text:still here")
    await turn.acknowledged()
    assert (server.gateway.identified, server.gateway.resumed) == (1, 1)


async def test_a_resumable_invalid_session_is_resumed(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    await server.faults.invalidate_sessions(resumable=True)
    await bot.wait_for("resumed", timeout=10)
    turn = await world.people["ada"].type("/echo text:still here")
    await turn.acknowledged()
    assert server.gateway.identified == 1


async def test_a_slow_answer_is_waited_for(bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld) -> None:
    slow = server.faults.slow("POST", "/interactions/*", 0.05)
    turn = await world.people["ada"].type("/echo text:patience")
    await turn.acknowledged()
    assert slow.arrived.is_set()
    assert turn.ack_seconds is not None
    assert turn.ack_seconds >= 0.05


@pytest.mark.parametrize("ahead", [-90.0, 90.0])
async def test_discord_s_clock_may_be_another(
    ahead: float, connect: Connect, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    server.faults.begin(FaultProfile("skewed", skew=ahead))
    bot = await connect()
    turn = await world.people["ada"].type("/grow words:2")
    await turn.until(lambda turn: len(turn.messages) == 2)
    apart = (await bot.interaction(turn)).created_at - discord.utils.utcnow()
    assert abs(apart.total_seconds() - ahead) < 10
    assert turn.ack_seconds is not None
    assert turn.ack_seconds < 3


async def test_clearing_ends_the_profile(server: LoopbackDiscord, clock: ManualClock) -> None:
    server.faults.begin(FaultProfile("dead", cut=1.0))
    server.faults.clear()
    assert server.faults.next_for("GET", "/users/@me") is None
