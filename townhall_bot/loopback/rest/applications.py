"""The bot's application: who it is, its gateway, its registered commands."""

from __future__ import annotations

import copy
from typing import Any

from townhall_bot.loopback.rest.routing import Call, Route
from townhall_bot.loopback.wire import message_payloads, payloads
from townhall_bot.loopback.wire.rate_limits import Rate
from townhall_bot.loopback.world import command_rules, errors
from townhall_bot.loopback.world.errors import FormErrors
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Command, Payload


async def me(call: Call) -> Any:
    """Return the application of the token."""
    return payloads.application(call.world)


async def gateway(call: Call) -> Any:
    """Return where the gateway listens."""
    return {"url": gateway_url(call)}


async def gateway_bot(call: Call) -> Any:
    """Return where the gateway listens, with the advice for shards."""
    app = call.world.application
    left = max(0, app.sessions_left)
    limit = {"total": 1000, "remaining": left, "reset_after": 3_600_000, "max_concurrency": app.max_concurrency}
    return {"url": gateway_url(call), "shards": app.advised_shards, "session_start_limit": limit}


def gateway_url(call: Call) -> str:
    """Return the gateway's websocket address."""
    return call.world.base_url.replace("http", "ws", 1)


def _guild_id(call: Call) -> int | None:
    call.check_application()
    if "guild_id" not in call.params:
        return None
    if call.id("guild_id") not in call.world.guilds:
        raise errors.missing_access()
    return call.guild.id


def _command(call: Call) -> Command:
    guild_id = _guild_id(call)
    command = call.world.commands.get(call.id("command_id"))
    if command is None or command.guild_id != guild_id:
        raise errors.unknown_command()
    return command


def _shown(call: Call, commands: list[Command]) -> list[Payload]:
    return [message_payloads.command(command, call.world.application.id) for command in commands]


async def list_commands(call: Call) -> Any:
    """List the commands, global or of a server."""
    return _shown(call, call.world.registered(_guild_id(call)))


async def replace_commands(call: Call) -> Any:
    """Put a list in place of all commands there, keeping the ids of those whose names stay."""
    guild_id = _guild_id(call)
    command_rules.check_all(call.forms)
    before = {(command.type, command.name): command for command in call.world.registered(guild_id)}
    for command in before.values():
        del call.world.commands[command.id]
    commands = []
    for definition in call.forms:
        known = before.get((definition.get("type", 1), definition["name"]))
        commands.append(_register(call, guild_id, definition, known))
    call.world.publish(Change("commands_registered"))
    return _shown(call, commands)


async def create_command(call: Call) -> Any:
    """Add a command, or replace the one of that name and type."""
    guild_id = _guild_id(call)
    _check(call.form)
    key = (call.form.get("type", 1), call.form["name"])
    same = next((c for c in call.world.registered(guild_id) if (c.type, c.name) == key), None)
    command = _register(call, guild_id, call.form, same)
    call.world.publish(Change("commands_registered"))
    return _shown(call, [command])[0]


async def get_command(call: Call) -> Any:
    """Return one command."""
    return _shown(call, [_command(call)])[0]


async def edit_command(call: Call) -> Any:
    """Change some fields of a command."""
    command = _command(call)
    changed = {**command.definition, **call.form}
    _check(changed)
    if changed != command.definition:
        command.definition, command.version = copy.deepcopy(changed), call.world.ids.next()
    call.world.publish(Change("commands_registered"))
    return _shown(call, [command])[0]


async def delete_command(call: Call) -> Any:
    """Delete one command."""
    del call.world.commands[_command(call).id]
    call.world.publish(Change("commands_registered"))


def _check(definition: Payload) -> None:
    form = FormErrors()
    command_rules.check_one(definition, form)
    form.raise_if_any()


def _register(call: Call, guild_id: int | None, definition: Payload, known: Command | None) -> Command:
    world = call.world
    version = known.version if known and known.definition == definition else world.ids.next()
    command = Command(known.id if known else world.ids.next(), guild_id, copy.deepcopy(definition), version)
    world.commands[command.id] = command
    return command


GLOBAL = "/applications/{application_id}/commands"
GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"
ROUTES = [
    Route("GET", "/oauth2/applications/@me", me),
    Route("GET", "/applications/@me", me),
    Route("GET", "/gateway", gateway, False),
    Route("GET", "/gateway/bot", gateway_bot),
    *(
        route
        for place in (GLOBAL, GUILD)
        for route in (
            Route("GET", place, list_commands),
            Route("PUT", place, replace_commands, rate=Rate(30, 60.0)),
            Route("POST", place, create_command, rate=Rate(30, 60.0)),
            Route("GET", f"{place}/{{command_id}}", get_command),
            Route("PATCH", f"{place}/{{command_id}}", edit_command, rate=Rate(30, 60.0)),
            Route("DELETE", f"{place}/{{command_id}}", delete_command, rate=Rate(30, 60.0)),
        )
    ),
]
