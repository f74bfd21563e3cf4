"""What a bot does over days: sessions that end, numbers that grow old, people who never got an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp
import discord
import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.ops.health import HealthPage
from townhall_bot.ops.metrics import Metrics
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]
DAY = 86_400


async def status(page: HealthPage, path: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(page.url + path) as answer:
        return answer.status


async def test_a_bot_without_a_session_is_alive_and_ready_again_with_the_next(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start_townhall(PingPlugin)
    may_identify = asyncio.Event()

    async def wait(shard_id: int | None, *, initial: bool = False) -> None:
        await may_identify.wait()

    monkeypatch.setattr(running.bot, "before_identify_hook", wait)
    lost = asyncio.create_task(running.bot.wait_for("disconnect", timeout=20))
    back = asyncio.create_task(running.bot.wait_for("ready", timeout=20))
    page = HealthPage(running.bot, "127.0.0.1", 0)
    await page.start()
    await discord_server.faults.invalidate_sessions()
    await lost
    assert await status(page, "/readyz") == 503
    assert await status(page, "/healthz") == 200
    may_identify.set()
    await back
    assert await status(page, "/readyz") == 200
    await page.stop()


async def test_a_new_session_is_no_new_start(start_townhall: StartTownhall) -> None:
    running = await start_townhall(PingPlugin)
    starts = []

    async def on_townhall_ready() -> None:
        starts.append("again")

    running.bot.on_townhall_ready = on_townhall_ready  # type: ignore[attr-defined] # discord.py finds them by name
    watching = len([task for task in asyncio.all_tasks() if task.get_name() in ("townhall-health", "townhall-lag")])
    await running.bot.on_ready()
    await asyncio.sleep(0)
    assert starts == []
    assert watching == len(
        [task for task in asyncio.all_tasks() if task.get_name() in ("townhall-health", "townhall-lag")]
    )


async def test_numbers_older_than_the_host_keeps_them_go_by_themselves(start_townhall: StartTownhall) -> None:
    running = await start_townhall(PingPlugin)
    records = running.bot.store.records("ping")
    for days in (1, 6, 8, 100):
        await records.add("ping", {"days": days}, at=time.time() - days * DAY)
    await running.stop()
    running = await start_townhall(PingPlugin, settings={"TOWNHALL_KEEP_RECORDS_DAYS": "7"})
    records = running.bot.store.records("ping")
    async with asyncio.timeout(20):
        kept = await records.since("ping", 1000 * DAY)
        while len(kept) > 2:  # the watch has only begun
            kept = await records.since("ping", 1000 * DAY)
    assert [record.numbers["days"] for record in kept] == [6, 1]


async def test_what_was_not_answered_in_15_minutes_is_forgotten(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        begun.set()
        await go_on.wait()

    running = await start_townhall(plugin_doing(act))
    late = await ada.type("/act")
    await begun.wait()
    begun.clear()
    now = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: now() + 15 * 60 + 1)
    soon = await ada.type("/act")
    await begun.wait()
    go_on.set()
    for turn in (late, soon):
        await running.settled(turn)
    assert timed(running.bot.metrics) == 1  # of two


def timed(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("townhall_command_duration_seconds_count", {"command": "act"}) or 0.0
