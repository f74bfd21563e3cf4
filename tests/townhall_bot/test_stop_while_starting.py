"""Ctrl-C right after the start: what is still starting is ended first, and only then stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from townhall_bot.bot import Townhall
from townhall_bot.lifecycle import serve_until_stopped
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.plugins import Plugin
from townhall_bot.settings import Settings
from townhall_bot.store import Store


async def test_no_plugin_is_stopped_while_it_still_starts(discord_server: LoopbackDiscord, tmp_path: Path) -> None:
    notes: list[str] = []
    starting = asyncio.Event()

    class Slow(Plugin):
        name = "slow"

        def commands(self) -> tuple[()]:
            return ()

        async def start(self) -> None:
            starting.set()
            try:
                await asyncio.Event().wait()  # for ever
            finally:
                notes.append("start ended")

        async def stop(self) -> None:
            notes.append("stopped")

    bot = Townhall(Settings(data_dir=tmp_path, health_port=0), Store.open(tmp_path / "townhall.db"), [Slow])
    running = asyncio.create_task(serve_until_stopped(bot, discord_server.token))
    async with asyncio.timeout(10):
        await starting.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        await running
    assert notes == ["start ended", "stopped"]
