"""``/gpt2-config``: how a server uses the plugin. For those who manage the server; within what the host allows."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord import app_commands

from plugins.gpt2 import presets
from plugins.gpt2.admin.config_changes import NUMBERS, ConfigChanges
from plugins.gpt2.admin.config_panel import ConfigPanel, Offered
from plugins.gpt2.admin.model_choices import MAX_CHOICE, MAX_CHOICES, label, public_names
from plugins.gpt2.chat.message_format import SMALL_PRINT, WAITING
from plugins.gpt2.formatting import parameters, without_folders
from plugins.gpt2.guild_rules import PLACE_TYPES, POSTING_TYPES, GuildRulesStore
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.protocol import GenerationError, TextGenerator
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.i18n import Words
from townhall_bot.replies import LiveReply, Refusal

OPTIONS = (
    *("model", *NUMBERS, "allow_channel", "remove_channel", "allow_role", "remove_role"),
    *("preset", "channel", "audit_channel", "mentions", "audit", "reset"),
)


OF_CHANNEL = ("preset", "default_count", "max_count", "temperature")
"""What may hold in one channel, beside the model."""
NO_PRESET = "none"


class _ChannelOption(app_commands.Transformer):
    """An option that offers channels of these types; its value is what was chosen, of which the id is used."""

    def __init__(self, types: list[discord.ChannelType]) -> None:
        self._types = types

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        return self._types

    async def transform(self, interaction: discord.Interaction, value: Any, /) -> Any:
        return value


Place = app_commands.Transform[app_commands.AppCommandChannel, _ChannelOption(PLACE_TYPES)]
Posting = app_commands.Transform[app_commands.AppCommandChannel, _ChannelOption(POSTING_TYPES)]


class ConfigCommand:
    """Builds the command and carries it out. ``host`` is what bounds a server's settings."""

    def __init__(self, service: TextGenerator, offered: Offered, rules: GuildRulesStore, host: GPT2Settings) -> None:
        self._service = service
        self._offered = offered
        self._rules = rules
        self._changes = ConfigChanges(rules, host)
        self.panel = ConfigPanel(service, offered, rules, self._changes, self._load_model)

    def build(self) -> app_commands.Command[Any, ..., Any]:
        """Return ``/gpt2-config``."""

        @app_commands.command(name="gpt2-config", description=TEXTS.english("config.description"))
        @app_commands.describe(**{name: TEXTS.english(f"config.option.{name}") for name in OPTIONS})
        @app_commands.guild_only
        @app_commands.default_permissions(manage_guild=True)
        # Discord lets a server's admins hand the command to anyone; whom it lets in must still manage the server.
        @app_commands.checks.has_permissions(manage_guild=True)
        async def gpt2_config(
            interaction: discord.Interaction,
            model: str | None = None,
            default_count: int | None = None,
            max_count: int | None = None,
            temperature: float | None = None,
            member_limit: int | None = None,
            server_limit: int | None = None,
            allow_channel: Place | None = None,
            remove_channel: Place | None = None,
            allow_role: discord.Role | None = None,
            remove_role: discord.Role | None = None,
            audit_channel: Posting | None = None,
            mentions: bool | None = None,
            preset: str | None = None,
            channel: Place | None = None,
            audit: bool = False,
            reset: bool = False,
        ) -> None:
            await interaction.response.defer(ephemeral=True, thinking=True)
            numbers = zip(NUMBERS, (default_count, max_count, temperature, member_limit, server_limit), strict=True)
            changes: dict[str, Any] = {name: value for name, value in numbers if value is not None}
            changes |= await self._places(interaction, "channels", allow_channel, remove_channel)
            changes |= await self._places(interaction, "roles", allow_role, remove_role)
            if audit_channel is not None:
                changes["audit_channel"] = audit_channel.id
            if mentions is not None:
                changes["mentions"] = mentions
            if preset is not None:
                changes["preset"] = None if preset.strip().casefold() == NO_PRESET else preset.strip().casefold()
            channel_id = None if channel is None else channel.id
            if channel_id is not None:
                changes = await self._of_channel(interaction, channel_id, changes, given=model is not None)
            await self._changes.check(interaction, changes, of=len(changes) + reset + (model is not None))
            undo, lines = await self._changes.reset(interaction) if reset else (None, [])
            if changes:
                lines += await self._changes.make(interaction, changes)
            if model is not None:
                await self._change_model(interaction, model.strip(), lines, channel_id)
            elif audit:
                trail = await self._changes.trail(interaction)
                await interaction.edit_original_response(content="\n".join(lines)[:2000], embed=trail)
            elif lines:
                view = self.panel.view.undoing(interaction, undo)
                await interaction.edit_original_response(content="\n".join(lines)[:2000], view=view)
            else:
                await self.panel.show(interaction)

        @gpt2_config.autocomplete("preset")
        async def all_presets(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            assert interaction.guild_id is not None  # guild_only
            names = [*presets.names(await self._rules.kept.all(interaction.guild_id)), NO_PRESET]
            fitting = [name for name in names if current.casefold() in name][:MAX_CHOICES]
            return [app_commands.Choice(name=name, value=name) for name in fitting]

        @gpt2_config.autocomplete("model")
        async def models(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            return await self._choices(TEXTS.for_user(interaction), current)

        return gpt2_config

    async def _choices(self, words: Words, current: str) -> list[app_commands.Choice[str]]:
        """Return the models that match what is typed, each with its needs and whether it is on disk."""
        entries = await asyncio.to_thread(self._offered)
        public = zip(public_names(entry.name for entry in entries), entries, strict=True)
        fitting = [(name, entry) for name, entry in public if current.casefold() in name.casefold()]
        offered = [(name, entry) for name, entry in fitting if len(name) <= MAX_CHOICE][:MAX_CHOICES]
        return [app_commands.Choice(name=label(words, entry), value=name) for name, entry in offered]

    async def _of_channel(
        self, interaction: discord.Interaction[Any], channel_id: int, changes: dict[str, Any], *, given: bool
    ) -> dict[str, Any]:
        """Return the changes that were asked for one channel; those that only a server has stay the server's."""
        assert interaction.guild_id is not None  # guild_only
        own = {key: changes.pop(key) for key in list(changes) if key in OF_CHANNEL}
        if own or not given:
            changes |= await self._changes.voice(interaction.guild_id, channel_id, own)
        return changes

    async def _places(
        self,
        interaction: discord.Interaction[Any],
        key: str,
        add: discord.abc.Snowflake | None,
        remove: discord.abc.Snowflake | None,
    ) -> dict[str, Any]:
        if add is None and remove is None:
            return {}
        assert interaction.guild_id is not None  # guild_only
        ids = (None if each is None else each.id for each in (add, remove))
        return {key: await self._changes.toggled(interaction.guild_id, key, add=next(ids), remove=next(ids))}

    async def _change_model(
        self, interaction: discord.Interaction[Any], model: str, before: list[str], channel_id: int | None
    ) -> None:
        """Have the server, or one of its channels, use a model; ``before`` is what was changed with it."""
        async with LiveReply(interaction, ephemeral=True) as reply:
            try:
                told = await self._load_model(interaction, model, reply, channel_id)
            except Refusal as refusal:
                raise Refusal("\n".join([*before, str(refusal)])) from refusal
            await reply.finish("\n".join([*before, *told]))

    async def _load_model(
        self, interaction: discord.Interaction[Any], model: str, reply: LiveReply, channel_id: int | None = None
    ) -> list[str]:
        """Load the model first and remember it then; until it is ready, and if it fails, the old one serves.

        Returns the lines that say so; the progress is shown by ``reply``, which has stopped where this raises Refusal.
        """
        model = public_names(self._rules.allowed).get(model, model)
        words = TEXTS.for_user(interaction)
        old = (await self._rules.of(interaction.guild_id)).model
        try:
            info = await self._service.ensure_model(model, lambda said: reply.show(WAITING + said.by(words)))
        except GenerationError as error:
            await reply.stop()
            failed = words("config.change.model_failed", old=without_folders(old))
            raise Refusal(f"{error.message.by(words)}\n{failed}") from error
        change: dict[str, Any] = {"model": model}
        if channel_id is not None and interaction.guild_id is not None:
            change = await self._changes.voice(interaction.guild_id, channel_id, change)
        changed = await self._changes.make(interaction, change)
        await reply.stop()
        if channel_id is not None:
            return changed
        facts = words(
            "config.change.model_facts", parameters=parameters(info.parameters), device=info.device, dtype=info.dtype
        )
        same = old == model
        was = (
            words("config.change.model_same") if same else words("config.change.model_before", old=without_folders(old))
        )
        unposted = changed[1:]  # the first line says what the text says
        small = [SMALL_PRINT + line for line in (f"{facts} {was}", *unposted)]
        return [words("config.change.model", model=without_folders(model)), *small]
