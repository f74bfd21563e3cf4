"""Where the cases are played: one bot for a file of tests, whose ``/act`` does what the case at hand says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import discord
import pytest
from discord import app_commands

from tests.townhall_bot.answers.table import MANY, Case
from townhall_bot.loopback import LoopbackDiscord, Message, Person, Turn
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import RunningTownhall

Act = Callable[[discord.Interaction], Awaitable[None]]
NO_ANSWER = "The application did not respond"
LIBRARY_LIMITS = ("discord.http", "discord.webhook.async_")
"""discord.py warns of each rate limit by itself."""


RATE_SCALE = 0.0005
"""One bot does in a second what takes bots of other tests a minute."""


class _WithoutPauses:
    """``asyncio`` as discord.py sees it, which pauses a second and more after an error; short limits are waited out."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds if seconds < 1 else 0)


def discord_py_does_not_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let discord.py's own attempts be made at once, for the length of a test."""
    monkeypatch.setattr("discord.http.asyncio", _WithoutPauses())


class StagePlugin(Plugin):
    """Brings ``/act``, which does ``act`` and suggests a word."""

    name = "stage"
    act: Act

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        """Bring ``/act``."""

        @app_commands.command(name="act", description="Act.")
        async def act(interaction: discord.Interaction, word: str = "") -> None:
            await type(self).act(interaction)

        @act.autocomplete("word")
        async def words(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            return [app_commands.Choice(name="a word", value="a word")]

        return (act,)


@dataclass
class Played:
    """How a case ended: what the asker sees, what the host reads, how often Discord was asked."""

    turn: Turn
    messages: list[Message]
    log: list[logging.LogRecord]
    asked: int

    @property
    def seen(self) -> str:
        """What the asker sees, Discord's own words for no answer included."""
        if self.turn.response is None:
            return NO_ANSWER
        lines = ["thinking…" if message.thinking else message.content for message in self.messages]
        return "\n".join(lines)

    def buttons(self) -> list[str]:
        """Return the labels of all buttons that are shown."""
        return [str(button["label"]) for message in self.messages for button in message.buttons]


@dataclass
class Stage:
    """A bot on a local Discord, and a member."""

    server: LoopbackDiscord
    townhall: RunningTownhall
    ada: Person

    def shows(self, interaction: discord.Interaction, text: str) -> bool:
        """Tell whether an interaction's answer has this text in it."""
        original = self.server.world.interactions[interaction.id].original
        return original is not None and text in original.content

    def everything_since(self, turn: Turn) -> list[Message]:
        """Return what stands in the channel since a turn began, its answer and follow-ups included."""
        shown = {message.id: message for message in turn.messages}
        shown |= {m.id: m for m in turn.channel.messages if m.id > turn.interaction_id}
        return [shown[key] for key in sorted(shown)]

    async def play(self, case: Case, act: Act, method: str, path: str, caplog: pytest.LogCaptureFixture) -> Played:
        """Have Ada type ``/act``, and count the requests of one route from then on."""
        StagePlugin.act = staticmethod(act)
        before = {id(request) for request in self.server.requests}
        turn = await self.ada.type("/act")
        await self.townhall.settled(turn)
        asked = sum(
            request.method == method and request.route == path
            for request in self.server.requests
            if id(request) not in before
        )
        return Played(turn, self.everything_since(turn), worth_reading(caplog), asked)


def worth_reading(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what a host reads, without what the local Discord says of itself and discord.py of rate limits."""
    return [
        record
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name not in ("townhall.loopback", *LIBRARY_LIMITS)
    ]


def check_log(case: Case, log: list[logging.LogRecord]) -> None:
    """Compare what the host reads with the row."""
    lines = [record.getMessage() for record in log]
    wanted, text = case.row.quoted("the host reads"), "\n".join(lines)
    assert [words for words in wanted if words not in text] == []
    assert bool(lines) == bool(wanted), lines
    with_traceback = "with the traceback" in case.row.cells["the host reads"]
    assert any(record.exc_info for record in log) == with_traceback
    assert max(map(len, lines), default=0) < 500


def check(case: Case, played: Played, *, text: str = "the text", late: bool = False) -> None:
    """Compare what was seen, logged and asked with the row.

    ``text`` is what the bot was to show. What comes ``late``, after 15 minutes, stands below an answer that never was.
    """
    wanted = case.row.quoted("who asked sees")
    assert [words for words in wanted if words not in played.seen] == []
    if text and wanted and text not in wanted:
        assert text not in played.seen
    if not late and "thinking…" not in wanted:
        assert "thinking…" not in played.seen
    check_log(case, played.log)
    if case.row.always:
        assert (played.asked >= MANY) == case.row.again, played.asked
