"""What discord.py logs with a traceback though nobody made a mistake: a line that says what failed, as a warning."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import discord

from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.discordpy.bodies import one_line

LOGGERS = {
    "discord.app_commands.tree": ("Ignoring exception in autocomplete", lambda args: f"no suggestions for /{args[0]}"),
    "discord.client": (
        "Attempting a reconnect",
        lambda args: f"the gateway cannot be reached, again in {args[0]:.0f} s",
    ),
}
"""By logger: how the message begins, and what is said in its place, of its arguments."""
_EXPECTED = (*FAILURES, discord.GatewayNotFound, discord.ConnectionClosed, asyncio.TimeoutError)


def shorten() -> None:
    """Have discord.py's loggers say in a line what Discord or the network did. Called twice, it is done once."""
    for name, (beginning, said) in LOGGERS.items():
        logger = logging.getLogger(name)
        if not any(isinstance(each, _Shorter) for each in logger.filters):
            logger.addFilter(_Shorter(beginning, said))


class _Shorter(logging.Filter):
    def __init__(self, beginning: str, said: Callable[..., str]) -> None:
        super().__init__()
        self._beginning, self._said = beginning, said

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        while error is not None and not isinstance(error, _EXPECTED) and error.__cause__ is not None:
            error = error.__cause__  # what the commands' own exceptions wrap
        if isinstance(error, _EXPECTED) and str(record.msg).startswith(self._beginning):
            record.msg = f"{self._said(record.args)}: {one_line(error) or type(error).__name__}".replace("%", "%%")
            record.args, record.exc_info, record.exc_text = (), None, None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
