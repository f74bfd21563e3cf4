"""Points discord.py at a local Discord."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from townhall_bot.discordpy import endpoints

if TYPE_CHECKING:
    from townhall_bot.loopback.server import LoopbackDiscord


def point_discord_at(server: LoopbackDiscord) -> AbstractContextManager[None]:
    """Let every discord.py client of this process talk to ``server``, until the block ends."""
    return endpoints.pointed_at(server.api_url, server.gateway_url)
