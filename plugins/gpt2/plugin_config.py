"""``/gpt2-config``: which model a server uses. For those who manage the server; within what the host allows."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord import app_commands

from plugins.gpt2.protocol import GenerationError
from plugins.gpt2.server_rules import ServerRules
from plugins.gpt2.service import GPT2Service
from plugins.gpt2.words import parameters, size
from townhall_bot.replies import LiveReply, Refusal

MODEL_KEY = "model"
MAX_CHOICES = 25
MAX_CHOICE = 100


class ConfigCommand:
    """Builds the command and carries it out."""

    def __init__(self, service: GPT2Service, rules: ServerRules) -> None:
        self._service = service
        self._rules = rules

    def build(self) -> app_commands.Command[Any, ..., Any]:
        """Return ``/gpt2-config``."""

        @app_commands.command(name="gpt2-config", description="Show or change the model that this server uses")
        @app_commands.describe(model="The model to use from now on. Leave it out to see what is set")
        @app_commands.guild_only
        @app_commands.default_permissions(manage_guild=True)
        # Discord lets a server's admins hand the command to anyone; whom it lets in must still manage the server.
        @app_commands.checks.has_permissions(manage_guild=True)
        async def gpt2_config(interaction: discord.Interaction, model: str | None = None) -> None:
            assert interaction.guild_id is not None  # guild_only
            if model is None:
                await self._show(interaction, interaction.guild_id)
            else:
                await self._change(interaction, interaction.guild_id, model.strip())

        @gpt2_config.autocomplete("model")
        async def models(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            return await self._choices(current)

        return gpt2_config

    async def _choices(self, current: str) -> list[app_commands.Choice[str]]:
        """Return the models that match what is typed, each with its needs and whether it is on disk."""
        entries = await asyncio.to_thread(self._service.catalogue.entries)
        fitting = [e for e in entries if current.casefold() in e.name.casefold() and len(e.name) <= MAX_CHOICE]
        return [app_commands.Choice(name=entry.label(), value=entry.name) for entry in fitting[:MAX_CHOICES]]

    async def _show(self, interaction: discord.Interaction, guild_id: int) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        settings, status = self._service.settings, await self._service.status()
        rules = await self._rules.of(guild_id)
        model, chosen = rules.model, rules.chosen_model
        entries = {entry.name: entry for entry in await asyncio.to_thread(self._service.catalogue.entries)}
        entry = entries[model]
        facts = [f"**{discord.utils.escape_markdown(model)}**"]
        if entry.parameters is not None and entry.memory_bytes is not None:
            facts.append(f"{parameters(entry.parameters)} parameters, needs {size(entry.memory_bytes)} of memory")
        facts.append("in memory" if model in status.models else "on disk" if entry.on_disk else "not downloaded yet")
        if chosen != model:
            facts.append(f"(this host no longer offers {discord.utils.escape_markdown(chosen)}, your choice)")
        embed = discord.Embed(title="GPT-2 on this server", description="\n".join(facts))
        embed.add_field(name="A request", value=f"{settings.default_count} tokens, at most {settings.max_count}")
        embed.add_field(name="Temperature", value=f"{settings.temperature:g}")
        embed.add_field(name="At a time", value=f"{settings.member_limit} a member, {settings.guild_limit} a server")
        embed.add_field(name="Now", value=f"{status.running} running, {status.queued} waiting")
        embed.add_field(
            name="To choose from", value="\n".join(entry.label() for entry in entries.values())[:1024], inline=False
        )
        embed.set_footer(text="Change it with /gpt2-config model:")
        await interaction.edit_original_response(embed=embed)

    async def _change(self, interaction: discord.Interaction, guild_id: int, model: str) -> None:
        """Load the model first and remember it then; until it is ready, and if it fails, the old one serves."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        old = (await self._rules.of(guild_id)).model
        async with LiveReply(interaction, ephemeral=True) as reply:
            try:
                info = await self._service.ensure_model(model, lambda line: reply.show(f"⏳ {line}"))
            except GenerationError as error:
                await reply.stop()
                raise Refusal(f"{error}\nThis server goes on with {old}.") from error
            await self._rules.kept.change(guild_id, MODEL_KEY, model, actor_id=interaction.user.id)
            facts = f"{parameters(info.parameters)} parameters on {info.device}, {info.dtype}"
            before = f"It was {old} before." if old != model else "It was that before, too."
            await reply.finish(f"This server now uses **{model}**.", note=f"{facts}. {before}")
