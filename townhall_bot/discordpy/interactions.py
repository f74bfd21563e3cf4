"""What comes in: every interaction on its way from the gateway to discord.py's own commands and components."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import discord

log = logging.getLogger("townhall.bot")

EVENT = "INTERACTION_CREATE"
REMEMBERED = 1000


def intercept(client: discord.Client, handle: Callable[[str, Callable[[], None]], None]) -> None:
    """Call ``handle(id, deliver)`` for each interaction; a client acts on it where ``deliver()`` is called.

    discord.py starts commands, buttons and modals each from a place of its own, but all of them from the parser of the
    gateway's event: a context variable set around ``deliver()`` is inherited by every task that follows. Of several
    handlers, the newest is called first, and its ``deliver`` calls the one before.
    """
    parsers: dict[str, Callable[[Any], None]] = client._connection.parsers
    parse = parsers[EVENT]

    def intercepted(data: Any) -> None:
        handle(str(data["id"]), lambda: parse(data))

    parsers[EVENT] = intercepted


def hear_once(client: discord.Client) -> None:
    """Act on each interaction once: after a broken connection Discord may tell of one again."""
    known: deque[str] = deque(maxlen=REMEMBERED)

    def once(interaction_id: str, deliver: Callable[[], None]) -> None:
        if interaction_id in known:
            log.info("interaction %s came again", interaction_id)
        else:
            known.append(interaction_id)
            deliver()

    intercept(client, once)
