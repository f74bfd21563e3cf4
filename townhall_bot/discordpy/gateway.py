"""A client's connection to the gateway: whether it stands, and the threads that keep it alive."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple

import discord
from discord.gateway import KeepAliveHandler

from townhall_bot.discordpy.answers import FAILURES

log = logging.getLogger("townhall.bot")


def is_connected(client: discord.Client) -> bool:
    """Tell whether the connection stands now."""
    return client.ws is not None and client.ws.open


def was_connected(client: discord.Client) -> bool:
    """Tell whether a connection ever stood. Where the first one breaks before that, discord.py 2.7 trips over itself.

    Its ``Client.connect`` then reads ``sequence`` of a connection that is None, and raises AttributeError.
    """
    return client.ws is not None


async def advised_shards(client: discord.Client) -> int:
    """Return how many shards Discord advises. Raises what discord.py raises where it cannot be asked."""
    count, _, _ = await client.http.get_bot_gateway()
    return int(count)


def run_shards(client: discord.AutoShardedClient, ids: Sequence[int], count: int) -> None:
    """Have a client that is not connected yet run these shards of ``count``."""
    client.shard_ids, client.shard_count = list(ids), count


class SessionLimit(NamedTuple):
    """How many sessions may still be begun, of how many a day, and the seconds until Discord counts anew.

    ``at_once`` may begin together: the number of buckets that shards fall into.
    """

    left: int
    total: int
    reset_s: float
    at_once: int = 1


async def session_limit(client: discord.Client) -> SessionLimit | None:
    """Ask Discord for it; None where it cannot be had."""
    try:
        _, _, limit = await client.http.get_bot_gateway()
        return SessionLimit(
            int(limit["remaining"]), int(limit["total"]), limit["reset_after"] / 1000, int(limit["max_concurrency"])
        )
    except (discord.DiscordException, *FAILURES, KeyError, TypeError, ValueError) as error:
        log.debug("the session limit is not known: %s", error)
        return None


def stop_heartbeats(loop: asyncio.AbstractEventLoop) -> None:
    """Stop the heartbeat threads on ``loop``: those of connections that were cut may outlive the client."""
    for thread in threading.enumerate():
        if isinstance(thread, KeepAliveHandler) and thread.ws.loop is loop:
            thread.stop()


def expect_no_voice() -> None:
    """Let no client of this process warn at its start that it lacks what voice needs."""
    discord.VoiceClient.warn_nacl = False
    discord.VoiceClient.warn_dave = False
