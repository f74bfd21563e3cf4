"""Ground for the core's tests: no settings of the machine's, a local Discord, bots that connect to it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from townhall_bot.bot import Townhall
from townhall_bot.loopback import LoopbackDiscord, point_discord_at
from townhall_bot.plugins import Plugin
from townhall_bot.settings import Settings
from townhall_bot.store import Store

Connect = Callable[..., AbstractAsyncContextManager[Townhall]]


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("TOWNHALL_") and name != "TOWNHALL_DISCORD_OPENAPI":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", token=SecretStr("set by connect"))


@pytest.fixture
async def server() -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as server:
        with point_discord_at(server):
            server.townhall()
            yield server


@pytest.fixture
def connect(server: LoopbackDiscord, settings: Settings) -> Connect:
    """Return a function that connects a bot with these plugins, ready within the ``async with``."""

    @asynccontextmanager
    async def connected(*plugins: type[Plugin], **options: Any) -> AsyncIterator[Townhall]:
        mine = settings.model_copy(update=options)
        bot = Townhall(mine, Store.open(mine.data_dir / "townhall.db"), plugins, guild_ready_timeout=0.05)
        serving = asyncio.create_task(bot.start(server.token))
        started = asyncio.create_task(bot.started.wait())
        try:
            await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
            if serving.done():
                await serving
            yield bot
        finally:
            await bot.close()
            started.cancel()
            await asyncio.gather(serving, started, return_exceptions=True)

    return connected
