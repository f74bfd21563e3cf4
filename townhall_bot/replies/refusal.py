"""Telling a person that something was not done, and why."""

from __future__ import annotations

import logging
import weakref
from typing import Any

import discord
from discord import app_commands

from townhall_bot.discordpy import answers
from townhall_bot.discordpy.answers import FAILURES, Code
from townhall_bot.discordpy.bodies import one_line
from townhall_bot.i18n import Words
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.i18n.permissions import permission
from townhall_bot.replies.paging import split
from townhall_bot.store import StoreError

log = logging.getLogger("townhall.replies")

_WARNED: weakref.WeakSet[discord.Client] = weakref.WeakSet()

EXPLAINED = "townhall-explained"
"""Key in an interaction's ``extras`` under which the error stands that its asker was told of."""


class Refusal(Exception):
    """A command was not carried out. The message is for the person who asked.

    Raise it from a command: the core shows it to the asker alone, or in place of "thinking…" where the command was
    deferred. ``shown=True`` says that the person has been told already; the core then only counts it as a failure.
    """

    def __init__(self, message: str, *, shown: bool = False) -> None:
        super().__init__(message)
        self.shown = shown


async def explain(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """Tell the asker what went wrong. A surprise is logged with its traceback and shown with a number to quote.

    The core calls this for what commands, buttons, selects and forms raise; an ``on_error`` of your own may call it
    too. Never raises for Discord's sake: where the person cannot be reached, that is logged.
    """
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    interaction.extras[EXPLAINED] = cause
    if isinstance(cause, Refusal) and cause.shown:
        _log_for_the_host(interaction, cause.__cause__)
        return
    match answers.code_of(cause):
        case Code.UNKNOWN_INTERACTION:
            log.warning("request %s could not be answered in time; its asker was told so by Discord", interaction.id)
            return
        case Code.ALREADY_ANSWERED:
            _warn_of_another(interaction)
            return
    if answers.is_expired(cause):
        log.warning("request %s: Discord takes no more answers to it, after 15 minutes: %s", interaction.id, cause)
        return
    words = TEXTS.for_user(interaction)
    message = told_to(interaction, cause)
    if message is None and answers.reason(cause) != "other":
        level = logging.INFO if answers.is_deleted(cause) else logging.WARNING
        log.log(
            level,
            "request %s: Discord did not take its answer: %s",
            interaction.id,
            one_line(cause) or type(cause).__name__,
        )
        message = why(cause, words)
    if message is None:
        command = interaction.command.qualified_name if interaction.command else "a component"
        log.error("request %s failed in %s", interaction.id, command, exc_info=cause)
        message = words("refusal.surprise", request=interaction.id)
    _log_for_the_host(interaction, cause)
    if answers.is_ban(cause):  # whatever is asked now prolongs it
        return
    try:
        await _tell(interaction, message)
    except FAILURES as failure:
        level = logging.INFO if answers.is_deleted(failure) else logging.WARNING
        log.log(level, "request %s: its asker could not be told what went wrong: %s", interaction.id, failure)


def why(error: BaseException, words: Words) -> str:
    """Return why Discord did not take a message, for a person."""
    said = one_line(getattr(error, "text", error))
    return words(f"reply.refused.{answers.reason(error)}", reason=said)


def _log_for_the_host(interaction: discord.Interaction[Any], cause: BaseException | None) -> None:
    if isinstance(cause, StoreError):  # whose paths are for the host alone
        log.error("request %s could not be carried out: %s", interaction.id, cause)


def _warn_of_another(interaction: discord.Interaction[Any]) -> None:
    """Say, once in a bot's life, that somebody else answered first: only a process with the same token can have."""
    level = logging.DEBUG if interaction.client in _WARNED else logging.WARNING
    _WARNED.add(interaction.client)
    log.log(
        level,
        "request %s had been answered before this bot could: another process runs with the same token "
        "(TOWNHALL_TOKEN), and each answers about half of what people ask. Stop one of them; if you know of "
        "no other, reset the token. This is said once.",
        interaction.id,
    )


def told_to(interaction: discord.Interaction[Any], cause: BaseException) -> str | None:
    """Return what the asker is told of an error, in their language; None for a surprise."""
    return told(cause, TEXTS.for_user(interaction))


def told(cause: BaseException, words: Words | None = None) -> str | None:
    """Return the words, English by default, for an error that a person can act on; None for a surprise."""
    words = words or TEXTS.of("en")
    match cause:
        case Refusal():
            return str(cause)
        case app_commands.MissingPermissions():
            needed = ", ".join(permission(name, words) for name in cause.missing_permissions)
            return words("refusal.permissions", permissions=needed)
        case app_commands.NoPrivateMessage():
            return words("refusal.no_private_message")
        case app_commands.CommandOnCooldown():
            return words("refusal.cooldown", seconds=cause.retry_after)
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return words("refusal.changed")
        case app_commands.TransformerError():
            return words("refusal.unusable", value=cause.value)
        case app_commands.CheckFailure():
            return words("refusal.not_here")
        case StoreError():
            return words(f"refusal.store.{cause.kind}")
    return None


async def _tell(interaction: discord.Interaction[Any], message: str) -> None:
    message = split(message)[0]
    if not interaction.response.is_done():
        await interaction.response.send_message(message, ephemeral=True)
        return
    if interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
        try:
            await interaction.edit_original_response(content=message, view=None)
        except FAILURES as error:
            if answers.is_expired(error) or answers.is_ban(error):
                raise
            log.debug("request %s: its answer cannot be edited: %s", interaction.id, error)
        else:
            return
    await interaction.followup.send(message, ephemeral=True)
