"""Bringing a plugin up anew from its files, while the bot runs; and watching for the moment to do so."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from townhall_bot.plugins import ENTRY_POINT_GROUP
from townhall_bot.plugins.discovery import import_class
from townhall_bot.plugins.host import LoadedPlugin

if TYPE_CHECKING:
    from townhall_bot.bot import Townhall

log = logging.getLogger("townhall.plugins")

Stamps = dict[Path, tuple[int, int]]


class Reimport:
    """Imports a plugin's package once more; :meth:`put_back` returns to the modules that were there before."""

    def __init__(self, loaded: LoadedPlugin) -> None:
        self.name = loaded.name
        self.module, self._attribute = _target(loaded)
        self.package = _package(self.module)
        self._before: dict[str, ModuleType] = {}

    def load(self) -> LoadedPlugin:
        """Return the plugin as its files are now, with its failure where it cannot be imported."""
        self._before = {name: module for name, module in sys.modules.items() if self._mine(name)}
        for name in self._before:
            del sys.modules[name]
        importlib.invalidate_caches()
        for file in (file for file in self.files() if file.suffix == ".py"):
            # Compiled files are taken for fresh where second and size are the same: not so after a quick edit.
            with contextlib.suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(str(file))).unlink()
        return import_class(self.name, lambda: getattr(importlib.import_module(self.module), self._attribute))

    def put_back(self) -> None:
        """Let the modules from before be the ones that count again."""
        for name in [name for name in sys.modules if self._mine(name)]:
            del sys.modules[name]
        sys.modules.update(self._before)
        parent, _, last = self.package.rpartition(".")
        if parent in sys.modules and self.package in self._before:
            setattr(sys.modules[parent], last, self._before[self.package])

    def forget(self) -> None:
        """Let the modules from before go."""
        self._before.clear()

    def files(self) -> Iterator[Path]:
        """Yield the plugin's files, those that are no Python too: texts, a model."""
        try:
            spec = importlib.util.find_spec(self.package)
        except (ImportError, ValueError, AttributeError):  # a package of it cannot be imported, or was defined by hand
            return
        if spec is None:
            return
        folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
        if not folders and spec.origin is not None:
            yield Path(spec.origin)
        for folder in folders:
            yield from (
                file for file in sorted(folder.rglob("*")) if file.is_file() and "__pycache__" not in file.parts
            )

    def _mine(self, name: str) -> bool:
        return name == self.package or name.startswith(f"{self.package}.")


class Changes:
    """Which plugins are no longer what the bot brought up: other files, other settings, or failed when it did."""

    def __init__(self, bot: Townhall) -> None:
        self._bot = bot
        self._stamps = _all_stamps(bot)

    def take(self) -> list[str]:
        """Return their names. The next call counts from how the files are now. Reads files, so it blocks."""
        now = _all_stamps(self._bot)
        plugins = self._bot.plugins
        changed = [
            name
            for name, stamps in now.items()
            if stamps != self._stamps.get(name) or plugins[name].failure is not None or plugins.settings_changed(name)
        ]
        self._stamps = now
        return changed


async def reload_changed(bot: Townhall, changes: Changes) -> None:
    """Bring the plugins up anew that changed; the log says how each went."""
    names = await asyncio.to_thread(changes.take)
    if not names:
        log.info("nothing to reload: the plugins' files and settings are as they were")
    for name in names:
        failure = await bot.plugins.reload(name)
        if failure is not None:
            log.error("plugin %s %s", name, failure)


async def _half_a_second() -> None:
    await asyncio.sleep(0.5)


async def watch(
    bot: Townhall, told: Callable[[str], object], pause: Callable[[], Awaitable[None]] = _half_a_second
) -> None:
    """Reload each plugin whose files change, until cancelled; ``told`` hears a line for the host each time.

    ``pause`` is what is awaited between two looks at the files.
    """
    stamps = await asyncio.to_thread(_all_stamps, bot)
    while True:
        await pause()
        now = await asyncio.to_thread(_all_stamps, bot)
        if now == stamps:
            continue
        while (settled := await _after(pause, bot)) != now:  # an editor or a checkout writes more than one file
            now = settled
        for name in [name for name in now if now[name] != stamps.get(name)]:
            failure = await bot.plugins.reload(name)
            told(f"plugin {name} reloaded" if failure is None else f"plugin {name} {failure}")
        stamps = now


async def _after(pause: Callable[[], Awaitable[None]], bot: Townhall) -> dict[str, Stamps]:
    await pause()
    return await asyncio.to_thread(_all_stamps, bot)


def _all_stamps(bot: Townhall) -> dict[str, Stamps]:
    """Return when each plugin's files were changed; the core's own are not watched, they need a restart."""
    found = {}
    for name, loaded in list(bot.plugins.items()):
        reimport = Reimport(loaded)
        if reimport.package.split(".")[0] != __package__:
            found[name] = _stamps(reimport)
    return found


def _stamps(reimport: Reimport) -> Stamps:
    stamps = {}
    for file in reimport.files():
        with contextlib.suppress(OSError):  # gone between being listed and being looked at
            stat = file.stat()
            stamps[file] = (stat.st_mtime_ns, stat.st_size)
    return stamps


def _target(loaded: LoadedPlugin) -> tuple[str, str]:
    if loaded.cls is not None:
        return loaded.cls.__module__, loaded.cls.__qualname__
    (point,) = entry_points(group=ENTRY_POINT_GROUP, name=loaded.name)  # it could not be imported, but was found
    return point.module, point.attr


def _package(module: str) -> str:
    """Return the package that a plugin's module lies in; the module itself where it stands alone."""
    there: Any = sys.modules.get(module)
    is_package = hasattr(there, "__path__") or (there is None and "." not in module)
    return module if is_package else module.rpartition(".")[0] or module
