"""Commands as Discord is told of them, as one list, and what it answers.

``CommandTree.sync`` would send everything at each start and keep what Discord made of it to itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import discord
from discord import app_commands

Payload = list[dict[str, Any]]
"""Commands as JSON objects."""
AppCommand = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu


async def payload_of(
    commands: Iterable[AppCommand], tree: app_commands.CommandTree[Any], translator: app_commands.Translator
) -> Payload:
    """Return what Discord is to be told of commands, in every language that ``translator`` knows."""
    return [await command.get_translated_payload(tree, translator) for command in commands]


async def register(client: discord.Client, payload: Payload, guild: int | None) -> Payload:
    """Put commands in the place of all there are, in one server or, for None, everywhere; return Discord's answer."""
    http, application = _http(client)
    answer: Payload
    if guild is None:
        answer = await http.bulk_upsert_global_commands(application, payload)
    else:
        answer = await http.bulk_upsert_guild_commands(
            application, guild, [_of_a_guild(command) for command in payload]
        )
    return answer


def faulty(error: discord.HTTPException) -> set[int]:
    """Return which commands of a list Discord finds fault with; empty where its refusal names none."""
    return {int(number) for number in re.findall(r"^In (\d+)\b", error.text, re.MULTILINE)}


def _of_a_guild(command: dict[str, Any]) -> dict[str, Any]:
    """Return a command without what Discord has for commands everywhere only."""
    return {key: value for key, value in command.items() if key not in ("contexts", "integration_types")}


async def registered(client: discord.Client, guild: int | None) -> Payload:
    """Return the commands that Discord has, of one server or, for None, those there are everywhere."""
    http, application = _http(client)
    answer: Payload
    if guild is None:
        answer = await http.get_global_commands(application)
    else:
        answer = await http.get_guild_commands(application, guild)
    return answer


def _http(client: discord.Client) -> tuple[Any, int]:
    application = client.application_id
    assert application is not None  # known since the login
    return client.http, application
