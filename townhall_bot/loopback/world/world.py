"""The one object that holds a local Discord's state and tells everybody of its changes.

Whatever alters state, the REST routes, the people, a test, does it through :class:`World`; the gateway and the page's
tabs subscribe to the changes.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import secrets

import discord

from townhall_bot.loopback.world import installs, mentions, threads, validation
from townhall_bot.loopback.world.clock import Clock, Snowflakes
from townhall_bot.loopback.world.enums import ChannelType, InteractionType, MessageType, ResponseType
from townhall_bot.loopback.world.events import Change, Observable
from townhall_bot.loopback.world.guild import Guild
from townhall_bot.loopback.world.permissions import BOT
from townhall_bot.loopback.world.state import (
    Application,
    Attachment,
    Channel,
    Command,
    Interaction,
    Message,
    Payload,
    Role,
    User,
)

FIRST_ANSWER_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0
HISTORY_LIMIT = 5000
"""Messages a channel keeps, so that a long run's memory stays flat."""
FIXED_TIME = 1_767_225_600.0
"""The first second of 2026: from it come the ids that are the same at every start."""


def _token(bot_id: int) -> str:
    """Return a bot's token of the shape that Discord's have: the bot's id in base64, and two parts of chance."""
    first = base64.urlsafe_b64encode(str(bot_id).encode()).decode().rstrip("=")
    return f"{first}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"


class World(Observable):
    """Servers, channels, people, messages and commands of one local Discord.

    ``until`` awaits a condition on all of it; ``subscribe`` is called at every change.
    """

    def __init__(self, clock: Clock, bot_name: str = "Townhall") -> None:
        super().__init__()
        self.clock = clock
        self.ids = Snowflakes(clock)
        self.base_url = ""
        """The server's address, in front of the files' paths; set when it listens."""
        self.guilds: dict[int, Guild] = {}
        self.users: dict[int, User] = {}
        self.channels: dict[int, Channel] = {}
        self.commands: dict[int, Command] = {}
        self.interactions: dict[int, Interaction] = {}
        self.files: dict[int, Attachment] = {}
        """Files uploaded for a command's option, by id."""
        self._by_token: dict[str, Interaction] = {}
        # Ids of what is always there are the same at every start, so that what a bot stores under them is found again.
        self.fixed_ids = Snowflakes(lambda: FIXED_TIME)
        bot = User(self.fixed_ids.next(), bot_name.lower(), bot_name, bot=True)
        self.users[bot.id] = bot
        # Discord gives an application and its bot user the same id.
        self.application = Application(bot.id, bot_name, bot, _token(bot.id), secrets.token_hex(32))

    @property
    def bot(self) -> User:
        """The bot's user."""
        return self.application.bot

    # Places and people

    def add_guild(self, name: str, *, bot_permissions: discord.Permissions | None = BOT) -> Guild:
        """Create a server, owned by nobody in particular, that the bot has joined; with None, one that it is not in."""
        guild_id = self.ids.next()
        guild = Guild(self, guild_id, name, owner_id=self.ids.next())
        guild.roles[guild_id] = Role(guild_id, "@everyone", 0)
        if bot_permissions is not None:
            self.guilds[guild_id] = guild
            guild.add_user(self.bot, bot_permissions)
            self.publish(Change("guild_joined", guild=guild))
        return guild

    def remove_guild(self, guild: Guild) -> None:
        """Take the bot out of a server; what it registered there is gone."""
        del self.guilds[guild.id]
        for channel in guild.channels:
            del self.channels[channel.id]
        self.commands = {i: command for i, command in self.commands.items() if command.guild_id != guild.id}
        self.publish(Change("guild_left", guild=guild))

    def add_user(self, name: str) -> User:
        """Create a person's account."""
        user = User(self.ids.next(), name.lower().replace(" ", "_"), name)
        self.users[user.id] = user
        return user

    def direct_channel(self, user: User) -> Channel:
        """Return the direct-message channel between the bot and a person, opened where there is none."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(self.ids.next(), user.name, ChannelType.DM, recipient=user)
        self.channels[channel.id] = channel
        self.publish(Change("channel_created", channel=channel))
        return channel

    def add_group(self, *people: User, key: int | None = None) -> Channel:
        """Open a group message between people; the bot is none of them, and hears nothing of it."""
        name = ", ".join(each.display_name for each in people)
        channel = Channel(key or self.ids.next(), name, ChannelType.GROUP, group=people)
        self.channels[channel.id] = channel
        self.publish(Change("channel_created", channel=channel))
        return channel

    def install(self, user: User, installed: bool) -> None:
        """Add the bot to a person's account, or take it off."""
        user.has_installed = installed
        self.publish(Change("commands_registered"))

    # Commands

    def registered(self, guild_id: int | None) -> list[Command]:
        """Return the commands registered for one server, or the global ones for None."""
        return [command for command in self.commands.values() if command.guild_id == guild_id]

    # Messages

    def post(self, message: Message) -> Message:
        """Put a message into its channel."""
        if message.channel.thread is not None and message.channel.thread.archived:
            threads.change(self, message.channel, archived=False)
        message.versions.append(message.content)
        history = message.channel.history
        history[message.id] = message
        if len(history) > HISTORY_LIMIT:
            del history[next(iter(history))]
        self.publish(Change("message_created", channel=message.channel, message=message))
        return message

    def say(
        self, author: User, channel: Channel, text: str, reply_to: Message | None, files: list[Attachment]
    ) -> Message:
        """Post a person's message, mentions counted as Discord counts them."""
        message = self.new_message(channel, author)
        message.content, message.attachments, message.reference = text, files, reply_to
        message.type = MessageType.REPLY if reply_to is not None else MessageType.DEFAULT
        mentions.resolve(message, None, self)
        validation.check_message(message)
        return self.post(message)

    def reword(self, message: Message, text: str) -> None:
        """Change a person's message."""
        draft = copy.copy(message)
        draft.content = text
        mentions.resolve(draft, None, self)
        validation.check_message(draft)
        for name in ("content", "pings", "pings_roles", "pings_everyone"):
            setattr(message, name, getattr(draft, name))
        self.edited(message)

    def edited(self, message: Message) -> None:
        """Note that a message was changed."""
        message.edited_at = self.clock()
        message.edits += 1
        message.versions.append(message.content)
        self.publish(Change("message_edited", channel=message.channel, message=message))

    def delete(self, message: Message) -> None:
        """Take a message out of its channel."""
        message.deleted = True
        message.channel.history.pop(message.id, None)
        self.publish(Change("message_deleted", channel=message.channel, message=message))

    # Interactions

    def interact(
        self,
        kind: InteractionType,
        user: User,
        channel: Channel,
        data: Payload,
        *,
        command: Command | None = None,
        message: Message | None = None,
        trigger: Interaction | None = None,
    ) -> Interaction:
        """Send an interaction to the bot, on behalf of a person."""
        interaction = Interaction(
            self.ids.next(),
            secrets.token_urlsafe(48),
            kind,
            user,
            channel,
            self.clock(),
            data,
            command=command,
            message=message,
            trigger=trigger,
        )
        interaction.owners = installs.owners_of(self, interaction)
        self._forget_expired()
        self.interactions[interaction.id] = interaction
        self._by_token[interaction.token] = interaction
        self.publish(Change("interaction_created", channel=channel, interaction=interaction))
        # A person's client says by itself that the application did not respond.
        asyncio.get_running_loop().call_later(FIRST_ANSWER_SECONDS, self._check_overdue, interaction)
        return interaction

    def interaction_by_token(self, token: str) -> Interaction | None:
        """Return the interaction that a token belongs to."""
        return self._by_token.get(token)

    def new_message(self, channel: Channel, author: User, *, flags: int = 0) -> Message:
        """Return a message that is not posted yet."""
        return Message(self.ids.next(), channel, author, self.clock(), flags=flags)

    def answer(self, interaction: Interaction, kind: ResponseType) -> None:
        """Note the first answer to an interaction; its message, choices or form are in place by now."""
        interaction.response_type = kind
        interaction.acknowledged_at = self.clock()
        self.publish(Change("interaction_answered", channel=interaction.channel, interaction=interaction))

    def _forget_expired(self) -> None:
        # Oldest first, so this stops at the first that still counts; an unknown token is answered as an expired one.
        for interaction in list(itertools.takewhile(self.token_expired, self.interactions.values())):
            del self.interactions[interaction.id]
            del self._by_token[interaction.token]

    def _check_overdue(self, interaction: Interaction) -> None:
        if interaction.acknowledged_at is None:
            self.publish(Change("interaction_overdue", channel=interaction.channel, interaction=interaction))

    def is_overdue(self, interaction: Interaction) -> bool:
        """Tell whether the time for the first answer has passed without one."""
        late = self.clock() - interaction.created_at > FIRST_ANSWER_SECONDS
        return late and interaction.acknowledged_at is None

    def token_expired(self, interaction: Interaction) -> bool:
        """Tell whether the interaction's token has reached its 15 minutes."""
        return self.clock() - interaction.created_at > TOKEN_SECONDS
