"""Which request the running code serves: the interaction's id, the number that people quote and the log shows."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import discord  # not when this runs: the log asks here too, and a shell command that needs no Discord starts sooner

current: ContextVar[str | None] = ContextVar("townhall_request", default=None)
"""The interaction's id; None outside of a request. Tasks that a request starts inherit it."""


def follow(client: discord.Client, arrived: Callable[[str], None]) -> None:
    """Set :data:`current` for all that follows from an interaction; call ``arrived`` with its id when it comes in.

    discord.py starts commands, buttons and modals each from a place of its own, but all of them from the parser of the
    gateway's event: a context variable set around that is inherited by every task that it starts.
    """
    parsers: dict[str, Callable[[Any], None]] = client._connection.parsers
    parse = parsers["INTERACTION_CREATE"]

    def parse_with_id(data: Any) -> None:
        request = str(data["id"])
        token = current.set(request)
        try:
            arrived(request)
            parse(data)
        finally:
            current.reset(token)

    parsers["INTERACTION_CREATE"] = parse_with_id
