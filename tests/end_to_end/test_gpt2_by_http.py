"""Every story of members and admins once more, with commands posted to the bot and no gateway, so no cached server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from tests.end_to_end import test_gpt2_buttons_story, test_gpt2_story
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.server import TownhallWorld
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import CleanSettings, RunningTownhall, StartTownhall, starting

pytest.importorskip("cryptography", reason="pip install 'townhall-bot[http]'")


@pytest_asyncio.fixture(loop_scope="session")
async def start_townhall(
    discord_server: LoopbackDiscord, world: TownhallWorld, tmp_path: Path, clean_settings: CleanSettings
) -> AsyncIterator[StartTownhall]:
    async with starting(discord_server, tmp_path, clean_settings) as start:

        async def by_http(*plugins: type[Plugin], settings: Mapping[str, str] | None = None) -> RunningTownhall:
            townhall = await start(*plugins, settings={**(settings or {}), "TOWNHALL_INTERACTIONS_PORT": "0"})
            assert not townhall.bot.guilds
            assert townhall.bot.ws is None
            return townhall

        yield by_http


globals().update(
    {
        name: value
        for module in (test_gpt2_story, test_gpt2_buttons_story)
        for name, value in vars(module).items()
        if name.startswith("test_") or name in ("poet", "host", "pen")
    }
)
