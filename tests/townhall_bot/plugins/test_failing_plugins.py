"""A plugin that fails at any point: the bot and the other plugins go on, and host and members are told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from plugins.ping.plugin import PingPlugin
from townhall_bot.i18n import Texts, Words
from townhall_bot.loopback import CommandRefused, Person
from townhall_bot.plugins import Health, Plugin, host
from townhall_bot.plugins.discovery import import_class
from townhall_bot.store import Store, StoreError
from townhall_bot.testkit import StartTownhall


class Lamp(Plugin):
    name = "lamp"

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        @app_commands.command(name="lamp", description="Switch it on")
        async def lamp(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("It is on.")

        return [lamp]


class BrokenItems(Lamp):
    def dynamic_items(self) -> Sequence[type[discord.ui.DynamicItem[Any]]]:
        raise RuntimeError("no buttons")


class Leaving(Lamp):
    async def start(self) -> None:
        sys.exit(3)


class LeavingEarly(Lamp):
    def __init__(self, context: Any) -> None:
        sys.exit(3)


@pytest.mark.parametrize(
    ("broken", "stage"),
    [(BrokenItems, "dynamic_items()"), (Leaving, "start()"), (LeavingEarly, "construction")],
)
async def test_one_that_cannot_start_offers_no_command_and_the_others_run(
    broken: type[Plugin], stage: str, start_townhall: StartTownhall, ada: Person
) -> None:
    running = await start_townhall(broken, PingPlugin)
    assert f"failed at {stage}" in (running.bot.plugins["lamp"].failure or "")
    with pytest.raises(CommandRefused, match="there is no command /lamp"):
        await ada.type("/lamp")
    pinged = await ada.type("/ping")
    assert await running.settled(pinged) is None


def test_a_mistake_in_its_texts_is_told_by_its_line_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "locale").mkdir()
    (tmp_path / "locale" / "en.toml").write_text('hello = "Hello\nbye = "Bye"\n')
    loaded = import_class("lamp", lambda: Texts.beside(str(tmp_path / "plugin.py")))
    assert "line 1" in (loaded.failure or "")
    assert [record.exc_info for record in caplog.records] == [None]


class Silent(Lamp):
    def privacy(self, words: Words) -> str:
        raise RuntimeError("I forgot")


async def test_one_that_cannot_say_what_it_stores_leaves_the_others_answers_and_the_button(
    start_townhall: StartTownhall, ada: Person
) -> None:
    running = await start_townhall(Silent, PingPlugin)
    turn = await ada.type("/privacy")
    assert await running.settled(turn) is None
    assert "**lamp**: It failed to say." in turn.text
    assert "**ping**: Nothing." in turn.text
    assert await running.settled(await ada.press(turn.message, "Delete my data")) is None


class Vague(Lamp):
    async def health(self) -> Health:
        return None  # type: ignore[return-value]  # what an author's forgotten return gives


async def test_one_that_says_nothing_of_its_health_is_not_well(start_townhall: StartTownhall) -> None:
    running = await start_townhall(Vague)
    told = await host.health(running.bot.plugins["lamp"])
    assert told == Health(False, "health() must return a Health, not None")


class Busy(Lamp):
    """Has two tasks of its own: one that fails when told to, one that never ends."""

    async def start(self) -> None:
        self.fail = asyncio.Event()
        self.ended: list[str] = []
        self.failing = self.context.background.start(self.work(), "collect")
        self.context.background.start(self.wait(), "wait")

    async def work(self) -> None:
        await self.fail.wait()
        raise RuntimeError("nothing to collect")

    async def wait(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append("wait")

    async def stop(self) -> None:
        self.ended.append("stop")


async def test_a_background_task_that_fails_is_logged_and_makes_its_plugin_unwell(
    start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_townhall(Busy)
    loaded = running.bot.plugins["lamp"]
    busy = loaded.plugin
    assert isinstance(busy, Busy)
    assert (await host.health(loaded)).ok
    busy.fail.set()
    await asyncio.wait({busy.failing})
    reason = "background task collect failed: RuntimeError: nothing to collect"
    assert await host.health(loaded) == Health(False, reason)
    assert [(each.name, each.message) for each in caplog.records if "collect" in each.message] == [
        ("townhall.plugin.lamp", reason)
    ]
    assert await running.settled(await ada.type("/lamp")) is None
    await running.stop()
    assert busy.ended == ["wait", "stop"]


async def test_the_watch_over_plugins_outlives_a_database_that_fails_for_a_moment(
    start_townhall: StartTownhall, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    twice = asyncio.Event()

    async def full(store: Store, at: float) -> int:
        nonlocal asked
        asked += 1
        if asked == 2:
            twice.set()
        raise StoreError("the disk is full", "Make room.")

    monkeypatch.setattr("townhall_bot.bot.WATCH_SECONDS", 0.001)
    monkeypatch.setattr(Store, "forget_records_before", full)
    await start_townhall(Lamp)
    await asyncio.wait_for(twice.wait(), 5)
