"""What people say to the bot outside of commands: mentions, replies and direct messages, handed to whichever plugin."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord

from townhall_bot.discordpy import messages
from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.replies.asking import AskingMessage
from townhall_bot.replies.refusal import EXPLAINED, Refusal, explain

if TYPE_CHECKING:
    from townhall_bot.bot import Townhall
    from townhall_bot.plugins import Plugin

log = logging.getLogger("townhall.bot")

REMEMBERED = 1000
COMMAND = "message"
"""What messages are called among the commands in the metrics."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that mentions the bot, replies to it with a ping, or is written to it directly.

    ``words`` is what it says, without the mention. ``replied_to`` is the bot's own message that it replies to.
    ``is_told`` is False where Discord does not give out what it says: in a reply to the answer of a command, without a
    mention. ``ask`` stands for the message where an interaction is wanted: ``LiveReply``, texts, refusals.
    """

    message: discord.Message
    words: str
    replied_to: discord.Message | None
    is_told: bool
    ask: AskingMessage


class Hearing:
    """Takes messages from the client's events and finds the plugin that answers."""

    def __init__(self, bot: Townhall) -> None:
        self._bot = bot
        self._languages: OrderedDict[int, discord.Locale] = OrderedDict()
        """Of who used a command or a button in direct messages: a message does not tell its author's."""

    def begin(self) -> None:
        """Take the client's events from now on."""
        messages.let_in_addressed(self._bot)

        async def edit(payload: discord.RawMessageUpdateEvent) -> None:
            await self.edit(payload.message)

        async def deletion(payload: discord.RawMessageDeleteEvent) -> None:
            await self.deletion({payload.message_id})

        async def deletions(payload: discord.RawBulkMessageDeleteEvent) -> None:
            await self.deletion(payload.message_ids)

        async def interaction(used: discord.Interaction[Any]) -> None:
            if used.guild_id is None:
                self._languages[used.user.id] = used.locale
                self._languages.move_to_end(used.user.id)
                if len(self._languages) > REMEMBERED:
                    self._languages.popitem(last=False)

        handlers = {"message": self.message, "raw_message_edit": edit, "raw_message_delete": deletion}
        for name, handler in {**handlers, "raw_bulk_message_delete": deletions, "interaction": interaction}.items():
            setattr(self._bot, f"on_{name}", handler)  # discord.py looks handlers up by name

    async def message(self, message: discord.Message) -> None:
        """Hand a message to the first plugin that takes it; others' come before Townhall's own, which take any."""
        heard = self._heard(message)
        if self._bot.draining:
            await explain(heard.ask.as_interaction, Refusal(TEXTS.for_channel(heard.ask.as_interaction)("draining")))
            return
        await self._hand(heard, lambda plugin: plugin.hear(heard))

    async def edit(self, message: discord.Message) -> None:
        """Hand on that what was said is changed."""
        if not self._bot.draining:
            heard = self._heard(message)
            await self._hand(heard, lambda plugin: plugin.hear_edit(heard))

    async def deletion(self, message_ids: set[int]) -> None:
        """Hand on that messages are gone; most of them were never heard of."""
        for plugin in self._plugins():
            try:
                await plugin.hear_deletion(message_ids)
            except Exception:
                log.exception("plugin %s failed at hear_deletion()", plugin.name)

    async def _hand(self, heard: Heard, to: Callable[[Plugin], Awaitable[bool]]) -> None:
        interaction = heard.ask.as_interaction
        error: Exception | None = None
        for plugin in self._plugins():
            try:
                if not await to(plugin):
                    continue
            except Exception as failure:
                error = failure
                await explain(interaction, failure)
            break
        else:
            return
        self._bot.message_settled(interaction, interaction.extras.get(EXPLAINED, error))

    def _plugins(self) -> list[Plugin]:
        running = [each.plugin for each in self._bot.plugins.values() if each.running and each.plugin is not None]
        return sorted(running, key=lambda plugin: (plugin.hears_anything, plugin.name))

    def _heard(self, message: discord.Message) -> Heard:
        me = self._bot.user
        assert me is not None  # whoever hears has logged in
        reference: Any = None if message.reference is None else message.reference.resolved
        mine = isinstance(reference, discord.Message) and reference.author.id == me.id
        ask = AskingMessage(self._bot, message)
        if message.guild is None:
            ask.locale = self._languages.get(message.author.id, ask.locale)
        is_told = message.guild is None or any(each.id == me.id for each in message.mentions)
        return Heard(message, messages.words_of(message, me.id), reference if mine else None, is_told, ask)


async def tell_in_private(heard: Heard, text: str) -> bool:
    """Write to the author of a message directly, where the bot may not answer in the channel; tell whether it came."""
    try:
        await heard.message.author.send(text)
    except FAILURES as error:
        log.debug("message %s: its author could not be told: %s", heard.message.id, error)
        return False
    return True
