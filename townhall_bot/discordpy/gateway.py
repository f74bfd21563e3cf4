"""A client's connection to the gateway: whether it stands, and the threads that keep it alive."""

from __future__ import annotations

import asyncio
import threading

import discord
from discord.gateway import KeepAliveHandler


def is_connected(client: discord.Client) -> bool:
    """Tell whether the connection stands now."""
    return client.ws is not None and client.ws.open


def stop_heartbeats(loop: asyncio.AbstractEventLoop) -> None:
    """Stop the heartbeat threads on ``loop``: those of connections that were cut may outlive the client."""
    for thread in threading.enumerate():
        if isinstance(thread, KeepAliveHandler) and thread.ws.loop is loop:
            thread.stop()


def expect_no_voice() -> None:
    """Let no client of this process warn at its start that it lacks what voice needs."""
    discord.VoiceClient.warn_nacl = False
    discord.VoiceClient.warn_dave = False
