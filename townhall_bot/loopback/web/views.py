"""What the page is told: Discord's own objects, and beside them what Discord's client knows by other means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from townhall_bot.loopback.people import composer
from townhall_bot.loopback.people.people import Person
from townhall_bot.loopback.people.refusals import CommandRefused
from townhall_bot.loopback.wire import message_payloads
from townhall_bot.loopback.world import installs, permissions
from townhall_bot.loopback.world.enums import SUB_COMMANDS, ChannelType, CommandType, MessageType, ResponseType
from townhall_bot.loopback.world.guild import Guild
from townhall_bot.loopback.world.state import Channel, Command, Interaction, Message, Payload
from townhall_bot.loopback.world.world import World

LANGUAGES = {"en-US": "English", "de": "Deutsch"}
"""Discord's languages that a person can choose here; what bots say to them alone, and of commands, is then in it."""
KINDS = {
    ChannelType.VOICE: "voice",
    ChannelType.NEWS: "news",
    ChannelType.FORUM: "forum",
    ChannelType.THREAD: "thread",
    ChannelType.NEWS_THREAD: "thread",
}
"""The sign of a channel that is no plain one."""
SHOWN_HISTORY = 200
"""Messages of a channel that a tab gets when it opens."""


def language(languages: str) -> str | None:
    """Return the first of a browser's languages ("de-DE,en") that can be chosen here, None where none can."""
    known = {each.split("-")[0]: each for each in LANGUAGES}
    wanted = (each.split("-")[0].strip() for each in languages.split(","))
    return next((known[each] for each in wanted if each in known), None)


def channels_of(person: Person) -> list[Channel]:
    """Return the channels that a person sees: those of the server, their direct messages, and groups they are in."""
    guild = [channel for channel in person.guild.channels if permissions.in_channel(channel, person.id)]
    others = person.guild.world.channels.values()
    return guild + [each for each in others if each.recipient is person.user or person.user in each.group]


def sees(person: Person, message: Message) -> bool:
    """Tell whether a message is there for a person."""
    return message.visible_to in (None, person.id) and message.channel in channels_of(person)


def channel(of: Channel, person: Person) -> Payload:
    """Return a channel with its last messages and the commands that can be used in it."""
    return {
        "id": str(of.id),
        "name": of.name,
        "topic": of.topic,
        "direct": of.type in (ChannelType.DM, ChannelType.GROUP),
        "with_bot": of.type is ChannelType.DM,
        "kind": KINDS.get(of.type, "hash"),
        "parent": None if of.thread is None else str(of.thread.parent.id),
        "archived": of.thread is not None and of.thread.archived,
        "locked": of.thread is not None and of.thread.locked,
        "messages": [message(each, person) for each in of.visible_to(person)[-SHOWN_HISTORY:]],
        "commands": commands(of, person),
    }


def message(of: Message, person: Person) -> Payload:
    """Return Discord's message object, its files' addresses on the page's own server, and who used what for it."""
    world = person.guild.world
    shown = message_payloads.message(of, "")
    shown["embeds"] = [_local(embed, world.base_url) for embed in shown["embeds"]]
    by_command = of.type in (MessageType.CHAT_COMMAND, MessageType.MENU_COMMAND)
    shown["used"] = used(of.interaction, person) if by_command and of.interaction else None
    shown["at"] = of.created_at * 1000
    shown["edited"] = of.edits > (1 if _was_deferred(of) else 0)
    shown["pings_me"] = of.pings_everyone or person.user in of.pings
    if of.reference is not None:
        shown["reply"] = {
            "author": str(of.reference.author.id),
            "text": "" if of.reference.deleted or not _may_read(of.reference, person) else of.reference.content[:200],
            "id": str(of.reference.id),
        }
    return shown


def used(of: Interaction, person: Person) -> Payload:
    """Return who used which command, and what it looks like typed by ``person``: choices by their names."""
    command = of.command
    if command is None or command.type is not CommandType.CHAT:
        name = "" if command is None else _translated(command.definition, "name", person)
        return {"user": str(of.user.id), "name": name, "typed": name}
    typed = _typed(of.data.get("options") or [], command.definition, person)
    return {"user": str(of.user.id), "name": f"/{command.name}", "typed": " ".join([f"/{command.name}", *typed])}


def commands(of: Channel, person: Person) -> list[Payload]:
    """Return what can be used in a channel: one entry for each sub-command, with the reason where it is refused."""
    offered = installs.usable(person.guild.world, of, person.user)
    return [entry for command in offered for entry in _entries(command, of, person)]


def server(person: Person, *, connected: bool) -> Payload:
    """Return the server as a person sees it: channels, members, roles."""
    guild = person.guild
    world = guild.world
    return {
        "id": str(guild.id),
        "name": guild.name,
        "channels": [channel(each, person) for each in channels_of(person)],
        "members": [
            {
                **user(member.user.id, world),
                "manages": _manages(guild, member.user.id),
                "online": connected if member.user.bot else True,
            }
            for member in guild.members.values()
        ],
        "roles": [
            {"id": str(role.id), "name": role.name.removeprefix("@")} for role in guild.roles.values() if role.name
        ],
    }


def user(user_id: int, world: World) -> Payload:
    """Return a person or the bot."""
    of = world.users[user_id]
    return {"id": str(of.id), "name": of.display_name, "bot": of.bot}


def person(of: Person, names: Iterable[str]) -> Payload:
    """Return the one who acts in a tab; ``names`` are the others one can act as."""
    shown = {"id": str(of.id), "name": of.name, "people": list(names), "manages": _manages(of.guild, of.id)}
    return {**shown, "installed": of.user.has_installed, "language": of.user.locale, "languages": LANGUAGES}


def _manages(guild: Guild, user_id: int) -> bool:
    return permissions.allows(permissions.in_guild(guild, user_id), "manage_guild")


def _may_read(of: Message, person: Person) -> bool:
    return of.visible_to in (None, person.id)


def _was_deferred(of: Message) -> bool:
    # The edit that puts the answer in the place of "thinking…" is none to who reads it.
    start = of.interaction
    return start is not None and start.original is of and start.response_type is ResponseType.DEFERRED_MESSAGE


def _entries(command: Command, of: Channel, person: Person) -> list[Payload]:
    refused = ""
    try:
        composer.check_allowed(command, person.user, of)
    except CommandRefused as refusal:
        refused = refusal.told(person.user.locale)
    common = {"id": str(command.id), "type": int(command.type), "refused": refused}
    if command.type is not CommandType.CHAT:
        label = _translated(command.definition, "name", person)
        return [{**common, "path": [command.name], "label": label, "description": "", "options": []}]
    return [
        {
            **common,
            "path": list(leaf.path),
            "description": _translated(_part(command, leaf.path), "description", person),
            "options": [_option(option, person) for option in leaf.options],
        }
        for leaf in composer.leaves(command)
    ]


def _part(command: Command, path: tuple[str, ...]) -> Payload:
    part = command.definition
    for word in path[1:]:
        part = next(option for option in part["options"] if option["name"] == word)
    return part


def _option(option: Payload, person: Person) -> Payload:
    shown = {**option, "description": _translated(option, "description", person)}
    if option.get("choices"):
        shown["choices"] = [{**each, "name": _translated(each, "name", person)} for each in option["choices"]]
    return shown


def _translated(part: Payload, what: str, person: Person) -> str:
    translated = (part.get(f"{what}_localizations") or {}).get(person.user.locale)
    return str(translated or part.get(what, ""))


def _typed(options: list[Payload], definition: Payload, person: Person) -> list[str]:
    words: list[str] = []
    for option in options:
        known: Payload = next((each for each in definition.get("options") or [] if each["name"] == option["name"]), {})
        if option["type"] in SUB_COMMANDS:
            words += [str(option["name"]), *_typed(option.get("options") or [], known, person)]
        else:
            choices = [each for each in known.get("choices") or [] if each["value"] == option["value"]]
            value = _translated(choices[0], "name", person) if choices else option["value"]
            words.append(f"{option['name']}:{value}")
    return words


def _local(part: Any, base_url: str) -> Any:
    """Return a copy of an embed whose pictures of this server are addressed without the server's name."""
    if isinstance(part, dict):
        return {key: _local(value, base_url) for key, value in part.items()}
    if isinstance(part, list):
        return [_local(each, base_url) for each in part]
    if isinstance(part, str) and part.startswith(f"{base_url}/attachments/"):
        return part.removeprefix(base_url)
    return part
