"""Plugins that a test writes to disk, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from townhall_bot.loopback import Person
from townhall_bot.testkit import RunningTownhall

Installed = Callable[[str], Path]
"""What the fixture ``installed`` gives: of a package's name, its folder."""


async def said(townhall: RunningTownhall, person: Person, command: str = "/say") -> str:
    """Type a command; return the answer."""
    turn = await person.type(command)
    await townhall.settled(turn)
    return turn.text
