"""What the tests of growing texts share: who performs, and how far the answer has grown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import discord

from townhall_bot.loopback import LoopbackDiscord, Message, Turn
from townhall_bot.plugins import Plugin

Act = Callable[[discord.Interaction], Awaitable[None]]
PluginDoing = Callable[..., type[Plugin]]
Perform = Callable[[Act], Awaitable[Turn]]
"""What the fixture ``perform`` gives."""

ANSWER = "/webhooks/*/messages/@original"


def the_answer(server: LoopbackDiscord) -> Message:
    """Return the only message in the channel."""
    return next(iter(server.townhall().channels["general"].history.values()))


async def an_edit(server: LoopbackDiscord) -> None:
    """Wait until that message was edited."""
    await server.world.until(lambda: the_answer(server).edits, 5)
