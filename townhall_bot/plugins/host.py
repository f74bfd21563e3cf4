"""Taking one plugin from its class to its end, whatever it raises or however long it takes: it fails alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from townhall_bot.discordpy.forms import LastingForm
from townhall_bot.i18n import TextsError
from townhall_bot.plugins import Health, Plugin, PluginContext, PluginSettings
from townhall_bot.plugins.background import Background
from townhall_bot.plugins.bounded import bounded
from townhall_bot.settings import PREFIX, SettingsError

if TYPE_CHECKING:
    import discord

    from townhall_bot.plugins import AppCommand
    from townhall_bot.store import Store

log = logging.getLogger("townhall.plugins")

START_TIMEOUT = 60.0
"""Seconds a plugin's ``start()`` may take; what takes longer belongs in a task of the plugin's own."""
STOP_TIMEOUT = 15.0
LASTING = ("component", "form")
"""What has a pattern of ids in place of a name."""
HEALTH_TIMEOUT = 5.0


class PluginError(Exception):
    """A plugin breaks the contract. The message says how to repair it."""


@dataclass(slots=True)
class LoadedPlugin:
    """A plugin that was asked for, running or not. ``failure`` says at which stage it failed, and why."""

    name: str
    cls: type[Plugin] | None = None
    settings: PluginSettings | None = None
    plugin: Plugin | None = None
    commands: tuple[AppCommand, ...] = ()
    dynamic_items: tuple[type[discord.ui.DynamicItem[Any]], ...] = ()
    forms: tuple[LastingForm, ...] = ()
    background: Background = field(default_factory=Background)
    failure: str | None = None
    started: bool = False

    @property
    def running(self) -> bool:
        """Whether its commands are served."""
        return self.started and self.failure is None

    def fail(self, stage: str, error: BaseException) -> None:
        """Note and log the first failure; the traceback goes to the log where the error is a surprise."""
        expected = isinstance(error, PluginError | SettingsError | TextsError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}".rstrip(": ")
        self.failure = self.failure or f"failed at {stage}: {reason}"
        log.error("plugin %s failed at %s: %s", self.name, stage, reason, exc_info=None if expected else error)


def construct(loaded: LoadedPlugin, client: discord.Client, store: Store, data_dir: Path) -> None:
    """Create the plugin and ask for its commands and lasting components."""
    if loaded.cls is None or loaded.failure is not None:
        return
    try:
        folder = data_dir / "plugins" / loaded.name
        folder.mkdir(parents=True, exist_ok=True)
        kept = store.guild_settings(loaded.name), store.records(loaded.name), store.entries(loaded.name)
        logger = logging.getLogger(f"townhall.plugin.{loaded.name}")
        loaded.background = Background(logger)
        loaded.plugin = loaded.cls(PluginContext(client, loaded.settings, *kept, folder, logger, loaded.background))
    except (Exception, SystemExit) as error:
        loaded.fail("construction", error)
        return
    try:
        loaded.commands = tuple(loaded.plugin.commands())
        _check_commands(loaded)
    except (Exception, SystemExit) as error:
        loaded.fail("commands()", error)
        return
    try:
        loaded.dynamic_items = tuple(loaded.plugin.dynamic_items())
        _check_items(loaded)
    except (Exception, SystemExit) as error:
        loaded.fail("dynamic_items()", error)
        return
    try:
        loaded.forms = tuple(loaded.plugin.forms())
        _check_forms(loaded)
    except (Exception, SystemExit) as error:
        loaded.fail("forms()", error)


def refuse_clashes(plugins: Iterable[LoadedPlugin]) -> None:
    """Refuse a plugin whose command or lasting component an earlier plugin brought already; the message names both."""
    from townhall_bot.discordpy.components import template_of  # here, so that `townhall --help` does without discord.py

    owners: dict[tuple[str, str], str] = {}
    for loaded in plugins:
        if loaded.failure is not None:
            continue
        mine = {(kind(command), command.name): loaded.name for command in loaded.commands}
        mine |= {("component", template_of(item)): loaded.name for item in loaded.dynamic_items}
        mine |= {("form", form.template.pattern): loaded.name for form in loaded.forms}
        clash = next((key for key in mine if key in owners), None)
        if clash is None:
            owners.update(mine)
            continue
        other, what = owners[clash], clash[0] if clash[0] in LASTING else "command"
        cure = f"Leave one of them out with {PREFIX}PLUGINS=-{loaded.name} or {PREFIX}PLUGINS=-{other}."
        loaded.fail("commands()", PluginError(f"{shown(*clash)} is already a {what} of the plugin {other}. {cure}"))


async def start(loaded: LoadedPlugin) -> None:
    """Start one plugin; a failure, or one that takes too long, is noted on it."""
    if loaded.plugin is None or loaded.failure is not None:
        return
    loaded.started = True
    too_long = f"start() took more than {START_TIMEOUT:.0f} s: long work belongs in a task of the plugin's own"
    await _guarded(loaded, "start()", loaded.plugin.start, START_TIMEOUT, too_long)
    if loaded.failure is not None:
        await stop(loaded)


async def stop(loaded: LoadedPlugin) -> None:
    """Stop a plugin that was started, even one whose start failed. Stopping twice is fine."""
    if loaded.plugin is not None and loaded.started:
        loaded.started = False
        slow = f"a background task took more than {STOP_TIMEOUT:.0f} s to end"
        await _guarded(loaded, "stop()", loaded.background.stop, STOP_TIMEOUT, slow)
        await _guarded(
            loaded, "stop()", loaded.plugin.stop, STOP_TIMEOUT, f"stop() took more than {STOP_TIMEOUT:.0f} s"
        )


async def health(loaded: LoadedPlugin) -> Health:
    """Ask a plugin how it is. One that fails to say is not well, and goes on running."""
    if loaded.failure is not None or loaded.plugin is None:
        return Health(False, loaded.failure or "not started")
    end = await bounded(loaded.plugin.health, HEALTH_TIMEOUT)
    if end.late:
        return Health(False, f"health() took more than {HEALTH_TIMEOUT:.0f} s")
    if end.error is not None:
        log.error("plugin %s failed at health()", loaded.name, exc_info=end.error)
        return Health(False, f"health() failed: {type(end.error).__name__}: {end.error}")
    told: object = end.value
    if not isinstance(told, Health):
        return Health(False, f"health() must return a Health, not {told!r}")
    return Health(False, loaded.background.failure) if told.ok and loaded.background.failure else told


async def drain(loaded: LoadedPlugin, seconds: float) -> None:
    """Let a plugin come to rest within ``seconds``. What it does not finish, its ``stop()`` ends; never raises."""
    if not loaded.running or loaded.plugin is None:
        return
    plugin = loaded.plugin
    end = await bounded(lambda: plugin.drain(seconds), seconds)
    if end.late:
        log.warning("plugin %s was still busy after %.0f s; what runs is ended now", loaded.name, seconds)
    elif end.error is not None:
        log.error("plugin %s failed at drain()", loaded.name, exc_info=end.error)


async def delete_member_data(loaded: LoadedPlugin, user_id: int) -> int | None:
    """Have a plugin delete what it stores of a member; return how many records, None where it failed."""
    try:
        return 0 if loaded.plugin is None else await loaded.plugin.delete_member_data(user_id)
    except Exception:
        log.exception("plugin %s failed at delete_member_data()", loaded.name)
        return None


def kind(command: AppCommand) -> str:
    """Return what shares a name space with ``command``: chat commands, user menus or message menus."""
    type_ = getattr(command, "type", None)
    return "chat" if type_ is None else str(type_.name)


def shown(kind: str, name: str) -> str:
    """Return what people call a command of that :func:`kind`."""
    if kind in LASTING:
        return f"what has the id {name}"
    return f"/{name}" if kind == "chat" else f"the menu entry “{name}”"


async def _guarded(
    loaded: LoadedPlugin, stage: str, call: Callable[[], Awaitable[Any]], seconds: float, too_long: str
) -> None:
    end = await bounded(call, seconds)
    if end.late:
        loaded.fail(stage, PluginError(too_long))
    elif end.error is not None:
        loaded.fail(stage, end.error)


def _check_commands(loaded: LoadedPlugin) -> None:
    from discord import app_commands  # here, so that `townhall --help` does without

    for command in loaded.commands:
        if not isinstance(command, app_commands.Command | app_commands.Group | app_commands.ContextMenu):
            raise PluginError(f"commands() must return application commands, not {command!r}")


def _check_items(loaded: LoadedPlugin) -> None:
    import discord  # here, so that `townhall --help` does without

    for item in loaded.dynamic_items:
        if not (isinstance(item, type) and issubclass(item, discord.ui.DynamicItem)):
            raise PluginError(f"dynamic_items() must return subclasses of discord.ui.DynamicItem, not {item!r}")


def _check_forms(loaded: LoadedPlugin) -> None:
    for form in loaded.forms:
        if not isinstance(form, LastingForm):
            raise PluginError(f"forms() must return instances of LastingForm, not {form!r}")
        template = getattr(form, "template", None)
        if not isinstance(template, re.Pattern):
            raise PluginError(
                f"{type(form).__name__} needs a template, a compiled pattern of its ids, not {template!r}"
            )
    patterns = [form.template.pattern for form in loaded.forms]
    twice = next((pattern for pattern in patterns if patterns.count(pattern) > 1), None)
    if twice is not None:
        raise PluginError(f"two of its forms have the ids {twice}: only one of them would hear of a form")
