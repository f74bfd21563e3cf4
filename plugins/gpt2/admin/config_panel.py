"""The settings as a panel that only the admin sees: menus, buttons, forms, answered by whichever process hears."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord

from plugins.gpt2.admin import panel_view
from plugins.gpt2.admin.config_changes import ConfigChanges, told_voices
from plugins.gpt2.admin.model_choices import facts, label
from plugins.gpt2.admin.numbers_form import NumbersForm
from plugins.gpt2.admin.panel_view import PanelView, own_presets
from plugins.gpt2.admin.preset_form import PresetForm
from plugins.gpt2.formatting import number, without_folders
from plugins.gpt2.guild_rules import GuildRules, GuildRulesStore
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.protocol import ModelEntry, TextGenerator
from plugins.gpt2.typed_form import Interaction
from townhall_bot.i18n import Words
from townhall_bot.replies import LiveReply, Refusal
from townhall_bot.replies.refusal import told_to
from townhall_bot.store import StoreError

LoadModel = Callable[[Interaction, str, LiveReply], Awaitable[list[str]]]
"""Loads a model and has the server use it; returns the lines that say so. Raises Refusal where that failed."""
Offered = Callable[[], Sequence[ModelEntry]]
"""Returns the models that the host offers, its default first. Looks at the disk, so not for the event loop."""


class ConfigPanel:
    """Shows a server's settings, and changes them by what is used below them.

    Nothing of a panel is kept here: what is set is read whenever one is shown, the rest is in the ids.
    """

    def __init__(
        self,
        service: TextGenerator,
        offered: Offered,
        rules: GuildRulesStore,
        changes: ConfigChanges,
        load_model: LoadModel,
    ) -> None:
        self._service = service
        self._offered = offered
        self._rules = rules
        self._changes = changes
        self._load_model = load_model
        self.item = panel_view.bound(self)
        self.view = PanelView(self.item)
        self.numbers = NumbersForm(changes, self.show)
        self.preset = PresetForm(changes, self.show)

    async def show(self, interaction: Interaction, lines: Sequence[str] = (), undo: int | None = None) -> None:
        """Show what is set now, below ``lines``, as the answer of ``interaction``, which has been deferred.

        ``undo`` is the reset that can be undone.
        """
        content = "\n".join(lines)[:2000]
        try:
            embed, rules, entries = await self._settings(interaction)
        except StoreError:
            if not lines:
                raise
            await interaction.edit_original_response(content=content)  # what was done is done, whoever can read it
            return
        view = self.view.settings(interaction, rules, entries, undo)
        await interaction.edit_original_response(content=content, embed=embed, view=view)

    async def do(self, interaction: Interaction, action: str, number: int, chosen: Sequence[Any]) -> None:
        """Do what a menu or a button of the panel stands for. Raises Refusal for who does not manage the server."""
        self._changes.check_manages(interaction)
        match action:
            case "model":
                await self._change_model(interaction, str(chosen[0]))
            case "channels" | "roles":
                await self._set(interaction, {action: [each.id for each in chosen] or None})
            case "audit_channel":
                await self._set(interaction, {action: next((each.id for each in chosen), None)})
            case "talk" | "silence":
                await self._set(interaction, {"mentions": True if action == "talk" else None})
            case "numbers":
                await self.numbers.begin(interaction, await self._rules.of(interaction.guild_id))
            case "preset" | "new_preset" | "change_preset":
                await self._presets(interaction, action, chosen)
            case "audit":
                embed = await self._changes.trail(interaction)
                await interaction.response.send_message(embed=embed, ephemeral=True)
            case "reset":
                words = TEXTS.for_user(interaction)
                await interaction.response.edit_message(
                    content=words("config.reset.ask"), view=self.view.asking(interaction)
                )
            case "reset_all":
                await interaction.response.defer()
                reset, lines = await self._changes.reset(interaction)
                if reset is None and interaction.guild_id is not None:  # pressed twice: the first one can be undone
                    reset = await self._rules.kept.last_reset(interaction.guild_id)
                await self.show(interaction, lines, reset)
            case "undo":
                await interaction.response.defer()
                await self.show(interaction, await self._changes.undo(interaction, number))
            case "undo_alone":  # below the answer to /gpt2-config reset:True
                await interaction.response.defer()
                lines = await self._changes.undo(interaction, number)
                await interaction.edit_original_response(content="\n".join(lines)[:2000], view=None)
            case "settings":
                await interaction.response.defer()
                await self.show(interaction)
            case _:
                raise Refusal(TEXTS.for_user(interaction)("config.change.newer"))

    async def _set(self, interaction: Interaction, changes: dict[str, Any]) -> None:
        await interaction.response.defer()
        await self.show(interaction, await self._changes.make(interaction, changes))

    async def _change_model(self, interaction: Interaction, model: str) -> None:
        """Load it, the progress above what is set; until it is ready, and if it fails, the old one serves."""
        await interaction.response.defer()
        _, rules, entries = await self._settings(interaction)
        view = self.view.settings(interaction, rules, entries)
        async with LiveReply(interaction, ephemeral=True, view=view) as reply:
            try:
                lines = await self._load_model(interaction, model, reply)
            except Exception as error:
                await reply.stop()
                said = told_to(interaction, error)
                if isinstance(error, Refusal):
                    await self.show(interaction, [str(error)])
                else:  # what is set can perhaps not be read either
                    await interaction.edit_original_response(content=said or "", view=view)
                if said is None:
                    raise
                raise Refusal(said, shown=True) from error
        await self.show(interaction, lines)

    async def _presets(self, interaction: Interaction, action: str, chosen: Sequence[Any]) -> None:
        """Open the form, once it was chosen which of the server's own is to be changed, where there are some."""
        assert interaction.guild_id is not None  # settings belong to a server
        own = own_presets(await self._rules.kept.all(interaction.guild_id))
        if action == "preset" and own:
            content = TEXTS.for_user(interaction)("preset.which")
            await interaction.response.edit_message(content=content, view=self.view.own_presets(interaction, own))
            return
        wanted = str(chosen[0]) if chosen else None
        await self.preset.begin(interaction, next((preset for preset in own if preset.name == wanted), None))

    async def _settings(self, interaction: Interaction) -> tuple[discord.Embed, GuildRules, Sequence[ModelEntry]]:
        rules = await self._rules.of(interaction.guild_id)
        entries = await asyncio.to_thread(self._offered)
        words = TEXTS.for_user(interaction)
        embed = await self._embed(words, rules, entries)
        kept = {} if interaction.guild_id is None else await self._rules.kept.all(interaction.guild_id)
        if voices := [f"<#{each}>: {said}" for each, said in told_voices(words, kept)]:
            last = len(embed.fields) - 1  # what there is to choose from
            embed.insert_field_at(last, name=words("config.show.voices"), value="\n".join(voices)[:1024], inline=False)
        return embed, rules, entries

    async def _embed(self, words: Words, rules: GuildRules, entries: Sequence[ModelEntry]) -> discord.Embed:
        status = self._service.status()
        unknown = ModelEntry(rules.model, None, None, None)
        entry = next((entry for entry in entries if entry.name == rules.model), unknown)
        about = [f"**{discord.utils.escape_markdown(without_folders(rules.model))}**"]
        if (needs := facts(words, entry)) is not None:
            about.append(needs)
        if rules.model in status.models:
            about.append(words("config.show.in_memory"))
        elif entry.on_disk is not None:
            about.append(words(f"config.show.{'on_disk' if entry.on_disk else 'absent'}"))
        if rules.chosen_model != rules.model:
            old = discord.utils.escape_markdown(without_folders(rules.chosen_model))
            about.append(words("config.show.not_offered", model=old))
        embed = discord.Embed(title=words("config.show.title"), description="\n".join(about))
        counts = words("config.show.counts", default=rules.default_count, most=rules.max_count)
        embed.add_field(name=words("config.show.request"), value=counts)
        embed.add_field(
            name=words("config.show.temperature"), value=words("form.value", value=number(rules.temperature))
        )
        preset = words("config.change.none") if rules.preset is None else rules.preset.name
        embed.add_field(name=words("config.name.preset"), value=discord.utils.escape_markdown(preset))
        limits = words("config.show.limits", member=rules.limits.member, server=rules.limits.guild)
        embed.add_field(name=words("config.show.at_a_time"), value=limits)
        channels = " ".join(f"<#{each}>" for each in rules.channels) or words("config.show.everywhere")
        embed.add_field(name=words("config.name.channels"), value=channels[:1024])
        roles = " ".join(f"<@&{each}>" for each in rules.roles) or words("config.show.everyone")
        embed.add_field(name=words("config.name.roles"), value=roles[:1024])
        audit = words("config.show.nowhere") if rules.audit_channel is None else f"<#{rules.audit_channel}>"
        embed.add_field(name=words("config.name.audit_channel"), value=audit)
        embed.add_field(
            name=words("config.name.mentions"), value=words(f"config.show.{'on' if rules.mentions else 'off'}")
        )
        busy = words("config.show.busy", running=status.running, queued=status.queued)
        embed.add_field(name=words("config.show.now"), value=busy)
        choices = "\n".join(label(words, entry) for entry in entries)[:1024]
        embed.add_field(name=words("config.show.choices"), value=choices, inline=False)
        return embed.set_footer(text=words("config.show.footer"))
