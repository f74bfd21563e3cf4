"""``/quote``, ``/quote-me``, ``/quotes-config`` and the menu entry *Save as quote*."""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from prometheus_client import CollectorRegistry, Counter
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from townhall_bot.i18n import Texts, Words
from townhall_bot.plugins import (
    AppCommand,
    CliCommand,
    Health,
    LastingForm,
    Plugin,
    PluginContext,
    PluginSettings,
    show_form,
)
from townhall_bot.replies import Refusal, sanitize
from townhall_bot.settings import Settings, load_settings
from townhall_bot.store import Entry, Store, database_in

TEXTS = Texts.beside(__file__)
LONGEST = 1000
"""Characters of a quote; with its author, and its links made harmless, it fits into a message."""


class QuotesSettings(PluginSettings):
    """What the host decides."""

    model_config = SettingsConfigDict(env_prefix="TOWNHALL_QUOTES_")

    most: int = Field(default=100, ge=1, le=10_000, description="The most quotes a server may keep.")
    keep_days: float = Field(default=365, gt=0, description="Days until a quote is deleted.")


class QuotesPlugin(Plugin):
    """Keeps quotes, and shows them."""

    name = "quotes"
    settings_model = QuotesSettings
    texts = TEXTS

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        self.saving = asyncio.Lock()
        self.saved: Counter | None = None
        self.saying = Saying(self)

    async def start(self) -> None:
        """Begin to forget."""
        self.context.background.start(self.forget(), "forget")

    async def forget(self) -> None:
        """Delete old quotes every hour."""
        while True:
            await self.context.entries.remove_before("quote", time.time() - self.context.settings.keep_days * 86_400)
            await asyncio.sleep(3600)

    def commands(self) -> Sequence[AppCommand]:
        """Return the commands and the menu entry."""

        @app_commands.guild_only()
        async def save(interaction: discord.Interaction, message: discord.Message) -> None:
            await self.save(interaction, message.author.id, message.content)

        @app_commands.command(name="quote-me", description=TEXTS.english("command.write"))
        @app_commands.guild_only()
        async def write(interaction: discord.Interaction) -> None:
            await self.saying.open(interaction)

        @app_commands.command(name="quote", description=TEXTS.english("command.show"))
        @app_commands.guild_only()
        async def show(interaction: discord.Interaction) -> None:
            await self.show(interaction)

        @app_commands.command(name="quotes-config", description=TEXTS.english("command.config"))
        @app_commands.describe(channel=TEXTS.english("command.channel"))
        @app_commands.default_permissions(manage_guild=True)
        @app_commands.checks.has_permissions(manage_guild=True)
        @app_commands.guild_only()
        async def config(interaction: discord.Interaction, channel: discord.TextChannel | None = None) -> None:
            words, settings = TEXTS.for_user(interaction), self.context.guild_settings
            chosen = None if channel is None else channel.id
            await interaction.response.defer(ephemeral=True, thinking=True)  # a change may have to wait
            await settings.change(int(interaction.guild_id or 0), "channel", chosen, actor_id=interaction.user.id)
            told = words("said.everywhere") if channel is None else words("said.only", channel=channel.mention)
            await interaction.edit_original_response(content=told)

        return [app_commands.ContextMenu(name=TEXTS.english("command.menu"), callback=save), write, show, config]

    def dynamic_items(self) -> Sequence[type[discord.ui.DynamicItem[Any]]]:
        """Keep the button working after a restart."""
        return [Another]

    def forms(self) -> Sequence[LastingForm]:
        """Keep the form working after a restart."""
        return [self.saying]

    async def save(self, interaction: discord.Interaction, author: int, text: str) -> None:
        """Keep a text, and tell who wanted it."""
        words, server, most = TEXTS.for_user(interaction), interaction.guild_id or 0, self.context.settings.most
        if not text.strip() or len(text) > LONGEST:
            raise Refusal(words("refused.length", most=LONGEST))
        await interaction.response.defer(ephemeral=True, thinking=True)  # a change may have to wait
        async with self.saving:  # two who save at once must not both take the last place
            if len(await self.context.entries.of("quote", guild_id=server)) >= most:
                raise Refusal(words("refused.full", most=most))
            await self.context.entries.add("quote", {"text": text}, guild_id=server, user_id=author)
        if self.saved is not None:
            self.saved.inc()
        await interaction.edit_original_response(content=words("said.saved"))

    async def show(self, interaction: discord.Interaction) -> None:
        """Show the channel some quote."""
        words, server = TEXTS.for_user(interaction), interaction.guild_id or 0
        only = await self.context.guild_settings.get(server, "channel")
        if only not in (None, interaction.channel_id):
            raise Refusal(words("refused.channel", channel=f"<#{only}>"))
        quotes = await self.context.entries.of("quote", guild_id=server)
        if not quotes:
            raise Refusal(words("refused.none"))
        drawn = random.choice(quotes)
        view = discord.ui.View(timeout=None).add_item(Another(TEXTS.for_channel(interaction)("button.another")))
        await interaction.response.send_message(f"{sanitize(drawn.values['text'])}\n— <@{drawn.user_id}>", view=view)

    async def health(self) -> Health:
        """Say how many quotes there are."""
        return Health(True, f"quotes kept: {len(await self.context.entries.of('quote'))}")

    def metrics(self, registry: CollectorRegistry) -> None:
        """Count what is saved."""
        self.saved = Counter("townhall_quotes_saved_total", "Quotes saved since the start.", registry=registry)

    def privacy(self, words: Words) -> str:
        """Say what is kept of a member."""
        return words("said.privacy", days=self.context.settings.keep_days)

    async def delete_member_data(self, user_id: int) -> int:
        """Delete what was quoted of a member."""
        return await self.context.entries.delete_member(user_id)

    @classmethod
    def cli_commands(cls) -> Sequence[CliCommand]:
        """Bring ``townhall quotes``."""
        return [CliCommand("quotes", "print a server's quotes", configure, export)]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what ``townhall quotes`` takes."""
    parser.add_argument("server", type=int, help="the server's id")


def export(arguments: argparse.Namespace) -> int:
    """Run ``townhall quotes``: the bot may run meanwhile."""
    sys.stdout.write("".join(f"{quote.values['text']}\n" for quote in asyncio.run(read(arguments.server))))
    return 0


async def read(server: int) -> list[Entry]:
    """Return a server's quotes from the database, oldest first."""
    store = Store.open(database_in(load_settings(Settings).data_dir))
    try:
        return await store.entries(QuotesPlugin.name).of("quote", guild_id=server)
    finally:
        await store.close()


class Another(discord.ui.DynamicItem[discord.ui.Button[Any]], template=re.compile("quotes:another")):
    """Shows another quote."""

    def __init__(self, label: str) -> None:
        super().__init__(discord.ui.Button(label=label, custom_id="quotes:another"))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Another:
        """Return the button that was pressed."""
        return cls(str(getattr(item, "label", "")))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Ask the plugin that runs now: this button may be older than a reload."""
        await interaction.client.plugins["quotes"].plugin.show(interaction)


class Saying(LastingForm):
    """Asks a member for a saying of their own."""

    template = re.compile(r"quotes:saying:\d+")

    def __init__(self, plugin: QuotesPlugin) -> None:
        self.plugin = plugin

    async def open(self, interaction: discord.Interaction[Any]) -> None:
        """Show the form, under an id that is new each time."""
        words = TEXTS.for_user(interaction)
        modal = discord.ui.Modal(title=words("form.title"), custom_id=f"quotes:saying:{interaction.id}")
        style = discord.TextStyle.long
        modal.add_item(
            discord.ui.TextInput(label=words("form.text"), custom_id="text", style=style, max_length=LONGEST)
        )
        await show_form(interaction, modal)

    async def submitted(
        self, interaction: discord.Interaction[Any], match: re.Match[str], typed: Mapping[str, str]
    ) -> None:
        """Save it."""
        await self.plugin.save(interaction, interaction.user.id, typed["text"])
