"""Reads a typed slash command as Discord's own client does, and refuses what that client would not send."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import discord

from townhall_bot.loopback.people import option_values, rights
from townhall_bot.loopback.people.refusals import CommandRefused, Permissions
from townhall_bot.loopback.world import permissions
from townhall_bot.loopback.world.enums import SUB_COMMANDS, CommandType, OptionType
from townhall_bot.loopback.world.state import Attachment, Channel, Command, Payload, User

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World


@dataclass(slots=True)
class Draft:
    """A command under way: which one, the sub-command inside it, and the raw text of each option."""

    command: Command
    path: tuple[str, ...]
    options: list[Payload]
    given: dict[str, str]
    files: Mapping[str, Attachment] = field(default_factory=dict)


def check_allowed(command: Command, user: User, channel: Channel) -> None:
    """Raise :class:`CommandRefused` where Discord would not let this person use the command here."""
    guild = channel.guild
    if guild is None:
        return
    held = permissions.in_channel(channel, user.id)
    rights.check(user, channel, "use_application_commands")
    default = command.definition.get("default_member_permissions")
    if default is None or permissions.allows(held, "administrator"):
        return
    needed = discord.Permissions(int(default))
    lacking = permissions.missing(held, needed)
    if int(default) == 0:
        raise CommandRefused("right.administrators", command=command.name, name=user.display_name)
    if lacking:
        raise CommandRefused(
            "right.command", command=command.name, permissions=Permissions(lacking), name=user.display_name
        )


def read(text: str, commands: Iterable[Command], files: Mapping[str, Attachment] | None = None) -> Draft:
    """Find the command and take its options apart. Raises :class:`CommandRefused`.

    Quotes around a value are optional: it runs until the next ``option:`` that the command has.
    """
    chat = [command for command in commands if command.type is CommandType.CHAT]
    typed = text.strip()
    if not typed.startswith("/"):
        raise CommandRefused("command.no_slash", begins=typed[:1])
    typed = typed[1:]
    known = [leaf for command in chat for leaf in leaves(command)]
    fitting = [leaf for leaf in known if _starts_with_words(typed, leaf.path)]
    if not fitting:
        raise _unknown(typed, known)
    draft = max(fitting, key=lambda leaf: len(leaf.path))
    rest = typed
    for word in draft.path:
        rest = rest.lstrip()[len(word) :]
    draft.given = _split(rest, [str(option["name"]) for option in draft.options], "/" + " ".join(draft.path))
    draft.files = files or {}
    return draft


def pick(
    path: Sequence[str], given: Mapping[str, str], commands: Iterable[Command], files: Mapping[str, Attachment]
) -> Draft:
    """Return the command at ``path`` with each option's text, as a form fills it in. Raises :class:`CommandRefused`."""
    known = [leaf for command in commands if command.type is CommandType.CHAT for leaf in leaves(command)]
    draft = next((leaf for leaf in known if leaf.path == tuple(path)), None)
    if draft is None:
        raise _unknown(" ".join(path), known)
    names = [str(option["name"]) for option in draft.options]
    if strange := [name for name in (*given, *files) if name not in names]:
        raise CommandRefused("command.no_option", command=f"/{' '.join(path)}", option=strange[0])
    draft.given, draft.files = dict(given), files
    return draft


def data_of(draft: Draft, world: World, user: User, channel: Channel) -> Payload:
    """Return the interaction's ``data``, every value checked and converted. Raises :class:`CommandRefused`."""
    scope = option_values.Scope(world, channel)
    values: list[Payload] = []
    for option in draft.options:
        name = str(option["name"])
        if option["type"] == OptionType.ATTACHMENT and name in draft.files:
            values.append({"name": name, "type": OptionType.ATTACHMENT, "value": scope.attach(draft.files[name])})
        elif name in draft.given:
            value = option_values.convert(option, draft.given[name], scope)
            values.append({"name": name, "type": option["type"], "value": value})
        elif option.get("required"):
            given = {"command": f"/{' '.join(draft.path)}", "option": name, "description": option["description"]}
            raise CommandRefused("command.needs", **given)
    return _data(draft, values, scope.resolved)


def completion_of(draft: Draft) -> Payload:
    """Return the ``data`` of an autocomplete request whose focus is on the last option typed."""
    by_name = {str(option["name"]): option for option in draft.options}
    values: list[Payload] = [
        {"name": name, "type": by_name[name]["type"], "value": text} for name, text in draft.given.items()
    ]
    if not values or not by_name[str(values[-1]["name"])].get("autocomplete"):
        raise CommandRefused("command.no_choices")
    values[-1]["focused"] = True
    return _data(draft, values, {})


def _data(draft: Draft, values: list[Payload], resolved: Payload) -> Payload:
    options = values
    for depth, word in enumerate(reversed(draft.path[1:])):
        kind = OptionType.SUB_COMMAND if depth == 0 else OptionType.SUB_COMMAND_GROUP
        options = [{"name": word, "type": kind, "options": options}]
    data: Payload = {
        "id": str(draft.command.id),
        "name": draft.command.name,
        "type": int(draft.command.type),
        "options": options,
    }
    if draft.command.guild_id:
        data["guild_id"] = str(draft.command.guild_id)
    if resolved:
        data["resolved"] = resolved
    return data


def leaves(command: Command) -> list[Draft]:
    """Return what can be typed of a command: itself, or each of its sub-commands."""

    def walk(path: tuple[str, ...], options: list[Payload]) -> list[Draft]:
        below = [option for option in options if option["type"] in SUB_COMMANDS]
        if not below:
            return [Draft(command, path, options, {})]
        return [leaf for sub in below for leaf in walk((*path, str(sub["name"])), sub.get("options") or [])]

    return walk((command.name,), command.definition.get("options") or [])


def _starts_with_words(typed: str, words: tuple[str, ...]) -> bool:
    pattern = r"\s+".join(map(re.escape, words)) + r"(\s|$)"
    return re.match(pattern, typed, re.IGNORECASE) is not None


def _unknown(typed: str, leaves: list[Draft]) -> CommandRefused:
    word = typed.split(maxsplit=1)[0] if typed.split() else ""
    known = tuple("/" + " ".join(leaf.path) for leaf in leaves)
    if any(leaf.path[0] == word and len(leaf.path) > 1 for leaf in leaves):
        return CommandRefused("command.sub_command", word=word, known=known)
    if near := difflib.get_close_matches(word.lower(), [leaf.path[0] for leaf in leaves], n=1):
        return CommandRefused("command.unknown_near", word=word, known=known, near=near[0])
    return CommandRefused("command.unknown", word=word, known=known)


def _no_mistyped_option(value: str, names: list[str], command: str) -> None:
    """Refuse a text in which a word looks like an option that was meant, as in ``cuont:4``; in quotes it may stand."""
    after = re.match(r'\s*".*"(.*)\Z', value, re.DOTALL)  # what is behind the quotes of a text that goes on
    for word in re.findall(r"(?:^|\s)([A-Za-z_-]{3,}):(?=\S)", value if after is None else after[1]):
        if near := difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.75):
            raise CommandRefused("command.mistyped", command=command, option=word, near=near[0])


def _split(rest: str, names: list[str], command: str) -> dict[str, str]:
    given: dict[str, str] = {}
    alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    head = re.compile(rf"\s*({alternatives}):[ \t]*", re.IGNORECASE) if names else None
    following = rf"(?=\s+(?:{alternatives}):|\s*\Z)"
    quoted = re.compile(rf'"(.*?)"{following}', re.DOTALL | re.IGNORECASE)
    bare = re.compile(rf"(.*?){following}", re.DOTALL | re.IGNORECASE)
    while rest.strip():
        match = head.match(rest) if head else None
        if match is None:
            text = rest.strip()[:40]
            raise CommandRefused("command.unreadable", command=command, text=text, known=tuple(names))
        name = match.group(1).lower()
        if name in given:
            raise CommandRefused("command.twice", command=command, option=name)
        rest = rest[match.end() :]
        value = quoted.match(rest) or bare.match(rest)
        assert value is not None  # ``bare`` ends at the text's end at the latest
        _no_mistyped_option(value.group(0), names, command)
        given[name] = value.group(1)
        rest = rest[value.end() :]
    return given
