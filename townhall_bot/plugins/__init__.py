"""The contract between the core and a plugin, which ``docs/plugins.md`` teaches; and what brings plugins up."""

from townhall_bot.discordpy.forms import LastingForm
from townhall_bot.discordpy.forms import show as show_form
from townhall_bot.plugins.api import (
    ENTRY_POINT_GROUP,
    AppCommand,
    Check,
    CliCommand,
    Health,
    Plugin,
    PluginContext,
    PluginSettings,
)

__all__ = [
    "ENTRY_POINT_GROUP",
    "AppCommand",
    "Check",
    "CliCommand",
    "Health",
    "LastingForm",
    "Plugin",
    "PluginContext",
    "PluginSettings",
    "show_form",
]
