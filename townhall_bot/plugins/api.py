"""The contract between the core and a plugin.

A plugin is a class that derives from :class:`Plugin` and is named in the entry-point group ``townhall.plugins``.
``docs/plugins.md`` teaches it in one page; ``plugins/ping`` is a complete one.
"""

from __future__ import annotations

import abc
import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic_settings import BaseSettings, SettingsConfigDict

from townhall_bot.i18n import NO_TEXTS, Texts, Words
from townhall_bot.plugins.background import Background

if TYPE_CHECKING:
    import discord
    from discord import app_commands
    from prometheus_client import CollectorRegistry

    from townhall_bot.discordpy.forms import LastingForm
    from townhall_bot.plugins.hearing import Heard
    from townhall_bot.store import Entries, GuildSettings, Records

    AppCommand = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu
else:
    AppCommand = Any  # can be imported; the real one takes discord.py, which `townhall --help` does without

ENTRY_POINT_GROUP = "townhall.plugins"


class PluginSettings(BaseSettings):
    """Base of a plugin's settings: typed fields with defaults and descriptions, read from the environment.

    Give the subclass ``model_config = SettingsConfigDict(env_prefix="TOWNHALL_<NAME>_")``.
    """

    # An empty value counts as unset, and one .env serves the core and every plugin.
    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Health:
    """How a plugin is: ``summary`` is one line for a person; ``ok`` False makes ``townhall doctor`` fail."""

    ok: bool
    summary: str


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``townhall doctor``. A check that is not ``ok`` carries its cure."""

    name: str
    ok: bool
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class CliCommand:
    """A subcommand of ``townhall`` that a plugin brings."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Returns the exit status."""


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What the core hands to a plugin. ``settings`` is an instance of the plugin's ``settings_model``."""

    client: discord.Client
    settings: Any
    guild_settings: GuildSettings
    """What each server's admins decided: read, change with a line on the audit trail, which keeps old and new."""
    records: Records
    """What this plugin counts, for its statistics: numbers with time, server and member, never texts."""
    entries: Entries
    """What members give this plugin to keep, as JSON with its owner."""
    data_dir: Path
    """A folder for this plugin alone. It exists. ``townhall backup`` does not copy it."""
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("townhall.plugin"))
    background: Background = field(default_factory=Background)
    """Starts tasks that outlast a command: ``background.start(self.collect(), "collect")``."""


class Plugin(abc.ABC):
    """One plugin. The core creates it with a context, asks for its commands, starts it, and stops it.

    What a plugin raises in any of these is logged under its name and concerns that plugin alone: until it has started,
    it is left out; from then on it goes on, and what failed is told to who asked.
    """

    name: ClassVar[str]
    """Lower case, unique; the key in settings, logs and the store."""
    settings_model: ClassVar[type[PluginSettings]] = PluginSettings
    texts: ClassVar[Texts] = NO_TEXTS
    """What it says, in every language it speaks: ``Texts.beside(__file__)`` reads ``locale/*.toml`` next to the module.
    Names and descriptions of its commands are translated by it too."""

    hears_anything: ClassVar[bool] = False
    """Whether :meth:`hear` takes whatever is said; such a plugin is asked after all others."""

    def __init__(self, context: PluginContext) -> None:
        self.context = context

    @abc.abstractmethod
    def commands(
        self,
    ) -> Sequence[AppCommand]:
        """Return the application commands; called once, before :meth:`start`."""

    def dynamic_items(self) -> Sequence[type[discord.ui.DynamicItem[Any]]]:
        """Return the buttons and selects that must work after a restart too; called once, after :meth:`commands`."""
        return ()

    def forms(self) -> Sequence[LastingForm]:
        """Return what answers for forms that were sent, after a restart too; called once, after :meth:`commands`."""
        return ()

    async def hear(self, heard: Heard) -> bool:
        """Answer a message that mentions the bot, replies to it, or is written to it directly; False: not for me.

        What people say besides is never heard. What this raises is told to who wrote, as with commands.
        """
        return False

    async def hear_edit(self, heard: Heard) -> bool:
        """Follow a change of what was said; False: it was not said to me."""
        return False

    async def hear_deletion(self, message_ids: set[int]) -> None:  # noqa: B027 - as below
        """Follow the deletion of messages, anybody's and of any channel."""

    async def start(self) -> None:  # noqa: B027 - a plugin without anything to start is a good plugin
        """Get ready. The core waits for this before it takes commands; long work belongs in
        ``self.context.background``."""

    async def drain(self, seconds: float) -> None:  # noqa: B027 - as above
        """Get ready to stop: take nothing new, tell those who wait, and let what runs come to its end.

        Called once, before :meth:`stop`, when the bot is asked to stop. Return as soon as nothing is under way. After
        ``seconds`` this is cancelled and :meth:`stop` is called: end then what still runs, with a note to who asked.
        The core refuses new commands meanwhile; buttons still arrive, so that Stop works: refuse those that start
        something.
        """

    async def stop(self) -> None:  # noqa: B027 - as above
        """Let go of everything. Called even where :meth:`start` failed; what ``context.background`` ran has ended."""

    async def health(self) -> Health:
        """Say how the plugin is; asked by ``townhall doctor`` and the health page."""
        return Health(True, "running")

    def metrics(self, registry: CollectorRegistry) -> None:  # noqa: B027 - as above
        """Register what Prometheus may read, in a registry of this plugin's own; called once, after :meth:`start`.

        Names start with ``townhall_<name>_`` and follow Prometheus's conventions: ``…_total`` for counters, base units
        (``…_seconds``, ``…_bytes``), no ids of people or servers as labels. A gauge may take its value when it is
        asked: ``Gauge(...).set_function(lambda: len(queue))``. Asked only while the health page is on.
        """

    def privacy(self, words: Words) -> str:
        """Say for ``/privacy`` what this plugin stores of a member, and for how long; ``words`` is your own texts.

        Where a setting makes the plugin keep more, such as prompts, this must say so. Empty: nothing is stored.
        """
        return ""

    async def delete_member_data(self, user_id: int) -> int:
        """Delete what the plugin stores of a member; return how many records were deleted."""
        return 0

    @classmethod
    def checks(cls, settings: Any, data_dir: Path) -> Sequence[Check]:
        """Return this plugin's lines for ``townhall doctor``; may take seconds, runs without Discord."""
        return ()

    @classmethod
    def cli_commands(cls) -> Sequence[CliCommand]:
        """Return subcommands for ``townhall``. Must be cheap: import what is heavy inside ``run``."""
        return ()
