"""Which commands go along with a person who adds the bot to their account: those that say so, where the host does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord import app_commands

if TYPE_CHECKING:
    from townhall_bot.plugins import AppCommand


def keep_to_servers(command: AppCommand) -> None:
    """Take a command back to servers that the bot is in, and direct messages with it."""
    if command.allowed_installs is not None:
        command.allowed_installs.user = False
    if command.allowed_contexts is not None:
        command.allowed_contexts.private_channel = False


def goes_along(command: AppCommand) -> None:
    """Let a command be used wherever its user is, as ``allowed_installs`` and ``allowed_contexts`` say it."""
    command.allowed_installs = app_commands.AppInstallationType(guild=True, user=True)
    command.allowed_contexts = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
