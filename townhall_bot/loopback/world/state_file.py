"""A local Discord's state in a file, kept for another day: people, servers, channels, messages with their files.

What the bot registers and what waits for an answer is not kept: the bot registers its commands at every start, and
an interaction's token would have expired. The file is one JSON object with a version, replaced as a whole.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path
from typing import Any

from townhall_bot.loopback.world import json_text
from townhall_bot.loopback.world.enums import ChannelType, InteractionType, MessageType
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.guild import Guild
from townhall_bot.loopback.world.state import (
    Attachment,
    Channel,
    Command,
    Interaction,
    Member,
    Message,
    Overwrite,
    Role,
    Thread,
    User,
)
from townhall_bot.loopback.world.world import World
from townhall_bot.machine.files import write_atomically

log = logging.getLogger("townhall.loopback")

FORMAT, VERSION = "townhall-local", 1
KEEP_UP_SECONDS = 2.0
"""How long after a change the file is written again."""
PLAIN = (
    "id", "created_at", "content", "embeds", "components", "flags", "type", "tts", "edited_at", "visible_to",
    "pings_roles", "pings_everyone", "nonce", "reactions", "edits",
)  # fmt: skip
"""The fields of a message that stand in the file as they are."""


class StateFileError(Exception):
    """The file cannot be used. The message says why, and what to do."""


class StateFile:
    """Keeps a world in a file: :meth:`load` before anything connects, then :meth:`keep` until the end."""

    def __init__(self, path: Path, world: World) -> None:
        self.path = path
        self._world = world
        self._changed = asyncio.Event()

    def load(self) -> bool:
        """Put what the file holds into the world; return whether there was one. Raises :class:`StateFileError`."""
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            if not self.path.absolute().parent.is_dir():
                raise StateFileError(f"the folder of {self.path} does not exist; create it first.") from None
            return False
        except OSError as error:
            raise StateFileError(f"{self.path} cannot be read: {error.strerror or error}.") from None
        except UnicodeDecodeError:
            raise self._damaged("it is not text") from None
        try:
            saved = json_text.read(text)
        except ValueError as error:
            raise self._damaged(f"it is not JSON: {error}") from None
        if not isinstance(saved, dict) or saved.get("format") != FORMAT:
            raise StateFileError(
                f"{self.path} was not written by `townhall local --state`; it is left as it is. Name another file."
            )
        if saved.get("version") != VERSION:
            raise StateFileError(
                f"{self.path} has version {saved.get('version')}, this Townhall reads {VERSION}. "
                "Use the Townhall that wrote it, or another file."
            )
        try:
            _restore(saved, self._world)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from error
        return True

    async def keep(self) -> None:
        """Write the file soon after each change, until cancelled; and a last time then."""
        end = self._world.subscribe(lambda _: self._changed.set())
        try:
            while True:
                await self._changed.wait()
                await asyncio.sleep(KEEP_UP_SECONDS)
                self.save()
        finally:
            end()
            if self._changed.is_set():
                self.save()

    def save(self) -> None:
        """Write the file as a whole; a failure is logged, and the old file stays."""
        self._changed.clear()
        try:
            with write_atomically(self.path) as file:
                file.write(json_text.write(_snapshot(self._world), indent=1).encode())
        except OSError as error:
            log.error("the state could not be written to %s: %s. Make room, or check the folder.", self.path, error)

    def _damaged(self, why: str) -> StateFileError:
        return StateFileError(f"{self.path} is damaged ({why}); it is left as it is. Name another file, or remove it.")


def _snapshot(world: World) -> dict[str, Any]:
    known = [c for c in world.channels.values() if c.guild is None or c.guild.id in world.guilds]
    return {
        "format": FORMAT,
        "version": VERSION,
        "users": [{key: getattr(user, key) for key in User.__slots__} for user in world.users.values()],
        "guilds": [_guild(guild) for guild in world.guilds.values()],
        "direct": [{"id": c.id, "recipient": c.recipient.id} for c in known if c.recipient is not None],
        "groups": [{"id": c.id, "people": [user.id for user in c.group]} for c in known if c.group],
        "messages": [_message(m) for c in known for m in c.history.values() if not m.thinking],
    }


def _guild(guild: Guild) -> dict[str, Any]:
    return {
        **{key: getattr(guild, key) for key in ("id", "name", "owner_id", "locale", "created_at")},
        "roles": [{key: getattr(role, key) for key in Role.__slots__} for role in guild.roles.values()],
        "members": [
            {"user": m.user.id, "joined_at": m.joined_at, "role_ids": m.role_ids, "nick": m.nick}
            for m in guild.members.values()
        ],
        "channels": [
            {
                **{key: getattr(channel, key) for key in ("id", "name", "position", "topic", "nsfw", "slow_mode")},
                "type": int(channel.type),
                "thread": None if channel.thread is None else _thread(channel.thread),
                "overwrites": [
                    {key: getattr(overwrite, key) for key in Overwrite.__slots__}
                    for overwrite in channel.overwrites.values()
                ],
            }
            for channel in guild.channels
        ],
    }  # fmt: skip


def _thread(of: Thread) -> dict[str, Any]:
    plain = {key: getattr(of, key) for key in ("created_at", "archived", "locked")}
    return {**plain, "parent": of.parent.id, "owner": of.owner.id}


def _message(message: Message) -> dict[str, Any]:
    used = message.interaction
    return {
        **{key: getattr(message, key) for key in PLAIN},
        "channel": message.channel.id,
        "author": message.author.id,
        "pings": [user.id for user in message.pings],
        "reference": message.reference.id if message.reference else None,
        "interaction": None if used is None else _interaction(used),
        "attachments": [
            {
                **{key: getattr(file, key) for key in ("id", "filename", "content_type", "description")},
                "data": base64.b64encode(file.data).decode(),
            }
            for file in message.attachments
        ],
    }  # fmt: skip


def _interaction(of: Interaction) -> dict[str, Any]:
    command = of.command
    return {
        "id": of.id,
        "type": int(of.type),
        "user": of.user.id,
        "data": of.data,
        "command": None if command is None else {"id": command.id, "name": command.name, "type": int(command.type)},
    }


def _restore(saved: dict[str, Any], world: World) -> None:
    """Put everything in place of what has the same id, and beside what has not."""
    for each in saved["users"]:
        user = world.users.setdefault(each["id"], User(**each))
        user.name, user.display_name = str(each["name"]), str(each["display_name"])
        user.locale, user.has_installed = str(each["locale"]), bool(each.get("has_installed"))
        user.has_chosen_locale = bool(each.get("has_chosen_locale", user.locale != "en-US"))
    for each in saved["guilds"]:
        _restore_guild(each, world)
    for each in saved["direct"]:
        recipient = world.users[each["recipient"]]
        channel = Channel(each["id"], recipient.name, ChannelType.DM, recipient=recipient)
        world.channels[channel.id] = channel
    for each in saved.get("groups", ()):
        world.add_group(*(world.users[key] for key in each["people"]), key=each["id"])
    for each in saved["messages"]:
        _restore_message(each, world)


def _restore_guild(saved: dict[str, Any], world: World) -> None:
    guild = world.guilds.get(saved["id"])
    if guild is None:
        guild = world.guilds[saved["id"]] = Guild(world, saved["id"], saved["name"], saved["owner_id"])
    guild.name, guild.locale, guild.created_at = saved["name"], saved["locale"], saved["created_at"]
    guild.roles = {each["id"]: Role(**each) for each in saved["roles"]}
    guild.members = {
        each["user"]: Member(world.users[each["user"]], guild, each["joined_at"], each["role_ids"], each["nick"])
        for each in saved["members"]
    }
    for each in saved["channels"]:
        channel = world.channels.get(each["id"])
        if channel is None:
            channel = world.channels[each["id"]] = Channel(each["id"], each["name"], guild=guild)
            guild.channels.append(channel)
        channel.name, channel.position = each["name"], each["position"]
        channel.topic, channel.nsfw, channel.slow_mode = each["topic"], each["nsfw"], each.get("slow_mode", 0)
        channel.type = ChannelType(each.get("type", ChannelType.TEXT))  # files from before threads have none
        if (thread := each.get("thread")) is not None:
            about = {**thread, "parent": world.channels[thread["parent"]], "owner": world.users[thread["owner"]]}
            channel.thread = Thread(**about)
        channel.overwrites = {o["target_id"]: Overwrite(**o) for o in each["overwrites"]}
    world.publish(Change("guild_joined", guild=guild))


def _restore_message(saved: dict[str, Any], world: World) -> None:
    channel = world.channels[saved["channel"]]
    message = Message(
        channel=channel, author=world.users[saved["author"]], **{key: saved[key] for key in PLAIN}
    )  # fmt: skip
    message.type = MessageType(message.type)
    message.versions = [message.content]
    message.pings = [world.users[user] for user in saved["pings"]]
    message.reference = channel.history.get(saved["reference"])
    message.attachments = [
        Attachment(**{**file, "data": base64.b64decode(file["data"], validate=True)}) for file in saved["attachments"]
    ]
    if (used := saved["interaction"]) is not None:
        user = world.users[used["user"]]
        kind = InteractionType(used["type"])
        # A token that nobody has: what is said to it is over.
        message.interaction = Interaction(used["id"], "", kind, user, channel, message.created_at, used["data"])
        if (command := used["command"]) is not None:
            message.interaction.command = Command(command["id"], None, command)
    channel.history[message.id] = message
