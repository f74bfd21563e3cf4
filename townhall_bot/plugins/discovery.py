"""Which plugins there are: finding them by their entry points, importing their classes, reading their settings."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from townhall_bot.plugins import ENTRY_POINT_GROUP, Plugin
from townhall_bot.plugins.host import LoadedPlugin, PluginError
from townhall_bot.redaction import shown_value
from townhall_bot.settings import (
    ENV_FILE,
    PREFIX,
    Settings,
    SettingsError,
    env_names,
    given_settings,
    load_settings,
    unknown_settings,
)

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

log = logging.getLogger("townhall.plugins")

DISTRIBUTION = "townhall-bot"
"""The package that this module is part of; the plugins in it are Townhall's own."""
CORE = frozenset({"privacy"})
"""Names of the plugins that are part of the core itself and have no entry point."""


def find_plugins(settings: Settings, installed: Iterable[EntryPoint] | None = None) -> list[LoadedPlugin]:
    """Import the classes of the plugins that TOWNHALL_PLUGINS lets in: Townhall's own, then the others, each by name.

    Where two clash the first has its way, so that nobody's plugin takes a command from Townhall's own. A class that
    cannot be imported is returned with its failure. Raises :class:`SettingsError` where the setting names a plugin
    that is not installed.
    """
    if installed is None:
        installed = entry_points(group=ENTRY_POINT_GROUP)
    by_name: dict[str, EntryPoint] = {}
    for point in sorted(installed, key=lambda point: (not _own(point), point.name)):
        if point.name in CORE or point.name in by_name:
            package = point.dist.name if point.dist is not None else "an unknown package"
            log.error("the plugin %s of %s is left out: there is one of that name already", point.name, package)
        else:
            by_name[point.name] = point
    _check_names(settings, sorted(by_name))
    return [import_class(name, point.load) for name, point in by_name.items() if settings.wants(name)]


def gather(plugins: Sequence[type[Plugin] | LoadedPlugin]) -> list[LoadedPlugin]:
    """Return the same for classes at hand, as tests of a plugin have them; what is loaded stays as it is."""
    return [given if isinstance(given, LoadedPlugin) else _at_hand(given) for given in plugins]


def import_class(name: str, load: Callable[[], Any]) -> LoadedPlugin:
    """Return the plugin whose class ``load`` gives, with its failure where that cannot be used."""
    loaded = LoadedPlugin(name)
    try:
        cls = load()
        _check_class(name, cls)
        loaded.cls = cls
    except (Exception, SystemExit) as error:  # a module may exit while it is imported; that is its own failure too
        loaded.fail("import", error)
    return loaded


def prepare(env_file: str | Path | None = ENV_FILE) -> tuple[Settings, list[LoadedPlugin]]:
    """Read every setting and find the plugins, for a start. Raises :class:`SettingsError` naming all that is wrong.

    Call :func:`warn_of_unknown` when the log is set up.
    """
    wrong = []
    settings = Settings.model_construct()
    try:
        settings = load_settings(Settings, env_file)
    except SettingsError as error:
        wrong.append(str(error))
    plugins = find_plugins(settings)
    for loaded in plugins:
        if loaded.cls is not None:
            try:
                loaded.settings = load_settings(loaded.cls.settings_model, env_file)
            except SettingsError as error:
                wrong.append(str(error))
    if wrong:
        raise SettingsError("\n".join(wrong))
    return settings, plugins


def read_settings(loaded: LoadedPlugin, env_file: str | Path | None = ENV_FILE) -> None:
    """Read the plugin's settings unless :func:`prepare` has; a wrong value is the plugin's own failure here."""
    if loaded.cls is not None and loaded.failure is None and loaded.settings is None:
        try:
            loaded.settings = load_settings(loaded.cls.settings_model, env_file)
        except Exception as error:
            loaded.fail("its settings", error)


def warn_of_unknown(plugins: Iterable[LoadedPlugin], env_file: str | Path | None = ENV_FILE) -> None:
    """Log a warning for each variable that looks like a setting and is none."""
    for warning in unknown_settings(settings_models(plugins), given_settings(env_file)):
        log.warning("%s", warning)


def settings_models(plugins: Iterable[LoadedPlugin]) -> list[type[BaseSettings]]:
    """Return every settings model in use: the core's and those of the plugins that were found."""
    return [Settings, *(loaded.cls.settings_model for loaded in plugins if loaded.cls is not None)]


def _own(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == DISTRIBUTION


def _at_hand(cls: type[Plugin]) -> LoadedPlugin:
    return import_class(str(getattr(cls, "name", cls.__name__)), lambda: cls)


def _check_class(name: str, cls: Any) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Plugin)):
        raise PluginError(f"the entry point must name a class derived from townhall_bot.plugins.Plugin, not {cls!r}")
    if getattr(cls, "name", None) != name:
        raise PluginError(
            f"its class calls itself {getattr(cls, 'name', None)!r}; name and entry point must be the same"
        )
    prefix = f"{PREFIX}{name.upper().replace('-', '_')}_"
    strangers = [setting for setting in env_names(cls.settings_model) if not setting.startswith(prefix)]
    if strangers:
        raise PluginError(f"its settings must start with {prefix}: give the model env_prefix={prefix!r}")


def _check_names(settings: Settings, installed: list[str]) -> None:
    for given in settings.plugins:
        name = given.removeprefix("-")
        if name not in installed:
            near = difflib.get_close_matches(name, installed, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            known = ", ".join(installed) or "none"
            raise SettingsError(
                f"{PREFIX}PLUGINS names {shown_value(name)}, which is not installed. {hint}Installed: {known}."
            )
