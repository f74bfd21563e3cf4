"""What ``townhall doctor`` looks at: this machine, the settings, the database, the token and each plugin.

It changes nothing. Each check is given out when it is made: one that compiles or asks Discord takes seconds.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from townhall_bot.i18n.formatting import format_bytes
from townhall_bot.machine.files import readable_by_others
from townhall_bot.machine.memory import available_bytes
from townhall_bot.ops import health
from townhall_bot.ops.discord_account import COPY_AGAIN, looks_like_a_token
from townhall_bot.ops.doctor_discord import discord_answers
from townhall_bot.plugins import Check, discovery
from townhall_bot.plugins.host import LoadedPlugin, kind, shown
from townhall_bot.plugins.registry import FAILURE_KEY, UNWELL_KEY
from townhall_bot.settings import ENV_FILE, Settings, SettingsError, given_settings, load_settings, unknown_settings
from townhall_bot.store import StoreError, database_in, lock
from townhall_bot.store.access import barrier
from townhall_bot.store.read_only import inspect
from townhall_bot.store.schema import cure_of

OLDEST_PYTHON = (3, 11)
MIN_FREE_DISK = 500_000_000
"""Bytes: the database, its log and a plugin's small files. What a model needs is for its plugin to check."""
MIN_FREE_MEMORY = 300_000_000
"""Bytes: the bot without any model."""
Rehearse = Callable[[Settings, Sequence[LoadedPlugin], str | Path | None], Awaitable[None]]
"""Creates each plugin as the bot would; see :func:`townhall_bot.rehearsal.rehearse`."""
CORRECT_IT = "Correct it in the environment or in .env."


async def examine(
    rehearse: Rehearse,
    *,
    env_file: str | Path | None = ENV_FILE,
    online: bool | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Check]:
    """Make every check; ``rehearse`` tries the plugins out. May run beside a running bot.

    ``online`` asks Discord too; None: where there is a token.
    """
    yield python_version()
    try:
        settings = load_settings(Settings, env_file)
        plugins = discovery.find_plugins(settings)
    except SettingsError as error:  # everything below depends on these
        yield Check("settings", False, str(error), f"{CORRECT_IT} Everything else waits for that.")
        return
    for loaded in plugins:
        discovery.read_settings(loaded, env_file)
    yield setting_names(plugins, env_file)
    yield data_folder(settings.data_dir)
    yield disk(settings.data_dir)
    yield memory()
    yield running_bot(settings.data_dir)
    yield health_page(settings)
    yield token(settings)
    if env_file is not None:
        yield env_file_permissions(Path(env_file))
    if settings.database is not None:
        found, remembered = await asyncio.to_thread(server, settings.database.get_secret_value())
    else:
        found, remembered = await asyncio.to_thread(database, database_in(settings.data_dir))
    yield found
    try:
        await rehearse(settings, plugins, env_file)
    except (OSError, StoreError) as error:
        cure = "Let this user write to the folder for temporary files, or name another with TMPDIR."
        yield Check("plugins", False, f"could not be tried: {error}", cure)
    for loaded in plugins:
        yield plugin(loaded, remembered.get(FAILURE_KEY + loaded.name), remembered.get(UNWELL_KEY + loaded.name))
        for check in await own_checks(loaded, settings.data_dir):
            yield check
    if online or (online is None and settings.token is not None):
        for check in await discord_answers(settings, plugins, clock):
            yield check


def python_version() -> Check:
    """Is this Python new enough?"""
    found = platform.python_version()
    ok = sys.version_info >= OLDEST_PYTHON
    return Check(
        "python", ok, f"{found} on {platform.system()} {platform.machine()}", "" if ok else "Use 3.11 or later."
    )


def setting_names(plugins: Sequence[LoadedPlugin], env_file: str | Path | None) -> Check:
    """Is every TOWNHALL_ variable one that somebody reads?"""
    given = given_settings(env_file)
    unknown = unknown_settings(discovery.settings_models(plugins), given)
    if unknown:
        return Check("settings", False, " ".join(unknown), "Correct the name, or remove the line.")
    count = sum(name.startswith("TOWNHALL_") for name in given)
    if wrong := [loaded.name for loaded in plugins if _has_wrong_settings(loaded)]:
        return Check("settings", False, f"wrong ones of {', '.join(wrong)}, named below", CORRECT_IT)
    return Check("settings", True, f"{count} set, the others at their defaults")


def data_folder(folder: Path) -> Check:
    """Can the bot write where it keeps its data, or make the folder where there is none yet?"""
    place = _nearest(folder)
    for written in (place, *(place.glob("plugins/*/") if place == folder else ())):
        try:
            with tempfile.TemporaryFile(dir=written) as probe:
                probe.write(b"townhall")
        except OSError as error:
            whose = barrier(database_in(written)) if isinstance(error, PermissionError) else None
            return Check("data folder", False, *(whose or (f"{written}: {error.strerror}", cure_of(error))))
    return Check("data folder", True, str(folder) if place == folder else f"{folder}, which the first start makes")


def disk(folder: Path) -> Check:
    """Is there room for what the bot writes?"""
    place = _nearest(folder)
    free = shutil.disk_usage(place).free
    ok = free >= MIN_FREE_DISK
    cure = f"Free at least {format_bytes(MIN_FREE_DISK)} there, or set TOWNHALL_DATA_DIR to a folder on another disk."
    return Check("disk", ok, f"{format_bytes(free)} free at {place}", "" if ok else cure)


def memory() -> Check:
    """Is there memory for the bot itself?"""
    available = available_bytes()
    if available is None:
        return Check("memory", True, "this system does not say how much is available")
    ok = available >= MIN_FREE_MEMORY
    cure = "" if ok else f"Stop other programs; the bot alone needs {format_bytes(MIN_FREE_MEMORY)}."
    return Check("memory", ok, f"{format_bytes(available)} available", cure)


def token(settings: Settings) -> Check:
    """Does the token look like one? A missing one is no failure: ``townhall local`` needs none."""
    if settings.token is None:
        hint = "`townhall run` needs one: `townhall setup` takes it. `townhall local` needs none."
        return Check("token", True, "not set", hint)
    if looks_like_a_token(settings.token.get_secret_value()):
        return Check("token", True, "set, and looks like one")
    return Check("token", False, "TOWNHALL_TOKEN does not look like a bot's token", COPY_AGAIN)


def database(path: Path) -> tuple[Check, dict[str, Any]]:
    """Can the bot use its database? Returns the core's values in it too. Blocks."""
    try:
        found = inspect(path)
    except StoreError as error:
        return Check("database", False, error.problem, f"{error.cure} Nothing was changed."), {}
    if found.damage:
        cure = "Stop the bot; `townhall restore FILE` goes back to a backup."
        return Check("database", False, f"{path} is damaged: {found.damage}", cure), {}
    return Check("database", True, f"{path}, {found.state}"), found.values


def server(url: str) -> tuple[Check, dict[str, Any]]:
    """Can the bot use the PostgreSQL server? Returns the core's values in it too. Changes nothing. Blocks."""
    from townhall_bot.store import postgres

    try:
        state, values = postgres.inspect(url)
    except StoreError as error:
        return Check("database", False, error.problem, f"{error.cure} Nothing was changed."), {}
    return Check("database", True, state), values


def plugin(loaded: LoadedPlugin, last_failure: str | None, unwell: str | None) -> Check:
    """Can the plugin be loaded, and did it run well when it last did?"""
    name = f"plugin {loaded.name}"
    leave_out = f"TOWNHALL_PLUGINS=-{loaded.name} leaves it out"
    if loaded.failure is not None:
        if _has_wrong_settings(loaded):
            return Check(name, False, loaded.failure, f"{CORRECT_IT} What the plugin looks at itself waits for that.")
        cure = f"Repair or update the plugin; {leave_out}. The log of `townhall run` has the traceback."
        return Check(name, False, loaded.failure, cure)
    if last_failure is not None:
        cure = f"See the log of that start; {leave_out}. This line goes with the next start that works."
        return Check(name, False, f"at the bot's last start it {last_failure}", cure)
    if unwell is not None:
        cure = "See the bot's log. This line goes when the plugin is well, or with the next start."
        return Check(name, False, f"the running bot found it not well: {unwell}", cure)
    commands = ", ".join(shown(kind(command), command.name) for command in loaded.commands)
    return Check(name, True, commands or "no commands")


def _has_wrong_settings(loaded: LoadedPlugin) -> bool:
    return loaded.failure is not None and loaded.settings is None and loaded.cls is not None


async def own_checks(loaded: LoadedPlugin, data_dir: Path) -> Sequence[Check]:
    """Return what a plugin itself looks at, also where it has failed."""
    if loaded.cls is None or loaded.settings is None:
        return ()
    try:
        # In a thread: a plugin's checks may compile or read for seconds.
        return await asyncio.to_thread(loaded.cls.checks, loaded.settings, data_dir / "plugins" / loaded.name)
    except Exception as error:
        reason = f"its checks() failed: {type(error).__name__}: {error}"
        cure = f"Report it to the plugin's author; TOWNHALL_PLUGINS=-{loaded.name} leaves it out."
        return (Check(f"plugin {loaded.name}", False, reason, cure),)


def running_bot(data_dir: Path) -> Check:
    """Who serves from this data folder now?"""
    local = lock.holder(data_dir / lock.LOCAL)
    beside = f"; `townhall local`: {local}" if local else ""
    return Check("running bot", True, (lock.holder(data_dir) or "none with this data folder") + beside)


def health_page(settings: Settings) -> Check:
    """Can the health page be served where the settings say?"""
    host, port = settings.health_host, settings.health_port
    where = f"{host} port {port}"
    if port == 0:
        return Check("health page", True, "switched off")
    if lock.holder(settings.data_dir):
        return Check("health page", True, f"{where}, for the running bot")
    try:
        family, kind_, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind_, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the page itself does
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        return Check("health page", False, f"{where}: {health.why_not(error)}", health.CURE)
    return Check("health page", True, f"{where} is free")


def env_file_permissions(path: Path) -> Check:
    """Can nobody else read the token?"""
    path = path.absolute()
    if readable_by_others(path):
        return Check("token file", False, f"others on this machine can read {path}", f"chmod 600 {path}")
    return Check("token file", True, f"{path}: for its owner alone" if path.exists() else f"no {path}")


def _nearest(folder: Path) -> Path:
    """Return the folder, or where it would be made."""
    return next((path for path in (folder, *folder.parents) if os.path.exists(path)), Path("/"))  # noqa: PTH110 - Path.exists raises behind a folder that may not be entered
