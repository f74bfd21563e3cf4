"""A message that asks the bot something, in the shape of an interaction: so that it is answered by the same code.

The answer is a reply to the message. It is written by the bot's own right, so it can be edited for as long as it
stands; nothing can be said to the asker alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import discord

PLACE = "⏳"
ALLOWED = discord.AllowedMentions.none()


class AskingMessage:
    """What plugins and replies use of an interaction, for a message.

    The language is the server's, where there is one: Discord does not tell that of a message's author.
    """

    command = None
    extras: dict[str, Any]

    def __init__(self, client: discord.Client, message: discord.Message) -> None:
        self.client = client
        self.id = message.id
        self.message: discord.Message | None = None
        """As of a command: there is none whose component was used."""
        self.user = message.author
        self.guild = message.guild
        self.guild_id = None if message.guild is None else message.guild.id
        self.channel: Any = message.channel
        self.application_id = client.application_id
        self.guild_locale = None if message.guild is None else message.guild.preferred_locale
        self.locale = self.guild_locale or discord.Locale.american_english
        self.extras = {}
        self._begin(message.to_reference(fail_if_not_exists=False))

    def _begin(self, reference: discord.MessageReference | None) -> None:
        self.response = Response(self)
        self.followup = Followup(self)
        self.answers: list[discord.Message | discord.PartialMessage] = []
        """The messages of the answer, the first one first."""
        self._stale = False
        self._reference = reference
        self.page_mark = ""
        """What every message after the first begins with."""
        self._sending = asyncio.Lock()

    def overwrite(self, answers: Sequence[discord.PartialMessage]) -> None:
        """Put the answer in the place of an earlier one."""
        self.answers = list(answers)
        self._stale = bool(answers)

    @property
    def channel_id(self) -> int:
        """Where the answer stands."""
        return int(self.channel.id)

    @property
    def as_interaction(self) -> discord.Interaction[Any]:
        """This, for whatever takes interactions."""
        return cast("discord.Interaction[Any]", self)

    @property
    def permissions(self) -> discord.Permissions:
        """What the asker may do here."""
        return _permissions(self.channel, self.user)

    @property
    def app_permissions(self) -> discord.Permissions:
        """What the bot may do here."""
        me = self.client.user if self.guild is None else self.guild.me
        return _permissions(self.channel, me)

    @property
    def may_write(self) -> bool:
        """Whether the bot may answer here at all."""
        held, channel = self.app_permissions, self.channel
        if not isinstance(channel, discord.Thread):
            return held.view_channel and held.send_messages
        opened = not channel.locked or held.manage_threads
        return held.view_channel and held.send_messages_in_threads and opened

    def is_guild_integration(self) -> bool:
        """Tell whether the bot is here as a member of the server."""
        return self.guild is not None

    def is_user_integration(self) -> bool:
        """Tell whether the bot is here because a person has installed it for themselves: it hears no messages then."""
        return False

    async def original_response(self) -> discord.Message | discord.PartialMessage:
        """Return the answer's first message; where there is none yet, one that keeps its place."""
        return self.answers[0] if self.answers else await self.edit_original_response(content=PLACE)

    async def edit_original_response(self, **fields: Any) -> discord.Message:
        """Show the answer: written the first time, edited from then on. What is on its way arrives, whoever cancels."""
        return await asyncio.shield(asyncio.ensure_future(self._show(fields)))

    async def settle(self) -> None:
        """Wait for what is on its way."""
        async with self._sending:
            pass

    async def _show(self, fields: dict[str, Any]) -> discord.Message:
        async with self._sending:
            if not self.answers:
                files = fields.pop("attachments", [])
                shown = await self.send(files=files, **fields)
                self.answers.append(shown)
            else:
                if self._stale:  # of the answer that is overwritten nothing stays
                    fields.setdefault("attachments", [])
                    self._stale = False
                shown = self.answers[0] = await self.answers[0].edit(**fields)
            return shown

    async def delete_original_response(self) -> None:
        """Delete the answer's first message."""
        await self.answers.pop(0).delete()

    async def send(self, *, content: str | None = None, **fields: Any) -> discord.Message:
        """Write a message here, as a reply to the one that asks where that still stands."""
        fields = {key: value for key, value in fields.items() if value is not None}
        if self._reference is not None:
            fields["reference"] = self._reference
        sent: discord.Message = await self.channel.send(content, allowed_mentions=ALLOWED, **fields)
        return sent


class AnswerElsewhere(AskingMessage):
    """An interaction whose answer is no response to it but messages of the bot's own, in ``channel``.

    Whoever makes it answers the interaction itself; by that the asker is told what is for them alone. ``opening`` is
    awaited when the answer is known to come, and returns where it goes, where that is to be made first.
    """

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        channel: Any,
        opening: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        self.client = interaction.client
        self.id = interaction.id
        self.message = None
        self.user = interaction.user
        self.guild, self.guild_id = interaction.guild, interaction.guild_id
        self.channel = channel
        self.application_id = interaction.application_id
        self.guild_locale, self.locale = interaction.guild_locale, interaction.locale
        self.extras = {}
        self._begin(None)
        self.followup = Followup(self, interaction)
        self._opening = opening

    async def open(self) -> None:
        """Make the place for the answer."""
        if self._opening is not None:
            self.channel, self._opening = await self._opening(), None


class Response:
    """The first answer, which a message does not wait for."""

    def __init__(self, ask: AskingMessage) -> None:
        self._ask = ask
        self.type: discord.InteractionResponseType | None = None

    def is_done(self) -> bool:
        """Tell whether there is one."""
        return self.type is not None

    async def defer(self, *, ephemeral: bool = False, thinking: bool = False) -> None:
        """Note that an answer comes."""
        if isinstance(self._ask, AnswerElsewhere):
            await self._ask.open()
        self.type = discord.InteractionResponseType.deferred_channel_message

    async def send_message(
        self, content: str | None = None, *, ephemeral: bool = False, view: discord.ui.View | None = None, **fields: Any
    ) -> None:
        """Answer. There is nothing that only the asker sees."""
        self.type = discord.InteractionResponseType.channel_message
        await self._ask.edit_original_response(content=content, view=view, **fields)


class Followup:
    """Further messages of an answer."""

    def __init__(self, ask: AskingMessage, interaction: discord.Interaction[Any] | None = None) -> None:
        self._ask = ask
        self._interaction = interaction

    async def send(
        self, content: str | None = None, *, ephemeral: bool = False, wait: bool = False, **fields: Any
    ) -> discord.Message:
        """Write one; what is meant for the asker alone is no part of the answer."""
        if ephemeral and self._interaction is not None:
            return await self._interaction.followup.send(content or "", ephemeral=True, wait=True)
        mark = "" if ephemeral else self._ask.page_mark
        sent = await self._ask.send(content=f"{mark}{content or ''}", **fields)
        if not ephemeral:
            self._ask.answers.append(sent)
        return sent


def _permissions(channel: Any, of: Any) -> discord.Permissions:
    """Return what somebody may do in a channel; of one that is not known, what Discord will say when it is tried."""
    if isinstance(channel, discord.abc.GuildChannel | discord.Thread) and isinstance(of, discord.Member):
        try:
            return channel.permissions_for(of)
        except discord.ClientException:  # a thread whose channel the bot does not see
            return discord.Permissions.none()
    return discord.Permissions.all()
