"""The settings as a panel that only the admin sees: menus, buttons and a form."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord

from plugins.gpt2.admin import preset_menu, reset_dialog
from plugins.gpt2.admin.config_changes import ConfigChanges, told_voices
from plugins.gpt2.admin.manage_view import ManageView
from plugins.gpt2.admin.model_choices import MAX_CHOICE, MAX_CHOICES, facts, label, public_names
from plugins.gpt2.admin.numbers_form import NumbersForm
from plugins.gpt2.formatting import number, without_folders
from plugins.gpt2.guild_rules import MAX_PLACES, PLACE_TYPES, POSTING_TYPES, GuildRules, GuildRulesStore
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.protocol import ModelEntry, TextGenerator
from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.i18n import Words

ChangeModel = Callable[[discord.Interaction[Any], str], Awaitable[None]]
Offered = Callable[[], Sequence[ModelEntry]]
"""Returns the models that the host offers, its default first. Looks at the disk, so not for the event loop."""


class ConfigPanels:
    """Shows a server's settings and opens panels for them."""

    def __init__(
        self,
        service: TextGenerator,
        offered: Offered,
        rules: GuildRulesStore,
        changes: ConfigChanges,
        model: ChangeModel,
    ) -> None:
        self.service = service
        self.offered = offered
        self.rules = rules
        self.changes = changes
        self.change_model = model

    async def open(self, interaction: discord.Interaction[Any]) -> None:
        """Show the panel as the answer to ``interaction``, which has been deferred for its asker alone."""
        embed, view = await self.build(interaction, interaction)
        await interaction.edit_original_response(embed=embed, view=view)

    async def build(
        self, interaction: discord.Interaction[Any], opener: discord.Interaction[Any]
    ) -> tuple[discord.Embed, Panel]:
        """Return what is set now, and the menus to change it. ``opener`` is whose answer the panel is."""
        rules = await self.rules.of(interaction.guild_id)
        entries = await asyncio.to_thread(self.offered)
        words = TEXTS.for_user(interaction)
        embed = await self._embed(words, rules, entries)
        kept = {} if interaction.guild_id is None else await self.rules.kept.all(interaction.guild_id)
        if voices := [f"<#{each}>: {said}" for each, said in told_voices(words, kept)]:
            last = len(embed.fields) - 1  # what there is to choose from
            embed.insert_field_at(last, name=words("config.show.voices"), value="\n".join(voices)[:1024], inline=False)
        return embed, Panel(self, interaction, opener, rules, entries)

    async def _embed(self, words: Words, rules: GuildRules, entries: Sequence[ModelEntry]) -> discord.Embed:
        status = self.service.status()
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


class Panel(ManageView):
    """Menus for the model and the places, buttons for the rest."""

    def __init__(
        self,
        panels: ConfigPanels,
        interaction: discord.Interaction[Any],
        opener: discord.Interaction[Any],
        rules: GuildRules,
        entries: Sequence[ModelEntry],
    ) -> None:
        super().__init__()
        self.panels = panels
        self.opener = opener
        self.rules = rules
        words = TEXTS.for_user(interaction)
        public = zip(public_names(entry.name for entry in entries), entries, strict=True)
        offered = [(name, entry) for name, entry in public if len(name) <= MAX_CHOICE][:MAX_CHOICES]
        model: discord.ui.Select[Any] = discord.ui.Select(
            placeholder=words("config.pick.model"),
            options=[
                discord.SelectOption(label=label(words, entry), value=name, default=entry.name == rules.model)
                for name, entry in offered
            ],
        )
        self._add(model, lambda answer: panels.change_model(answer, model.values[0]), refresh=True)
        channels: discord.ui.ChannelSelect[Any] = discord.ui.ChannelSelect(
            placeholder=words("config.pick.channels"),
            channel_types=PLACE_TYPES,
            min_values=0,
            max_values=MAX_PLACES,
            default_values=[discord.Object(each, type=discord.abc.GuildChannel) for each in rules.channels],
        )
        self._add(channels, lambda answer: self._set(answer, {"channels": _ids(channels.values)}))
        roles: discord.ui.RoleSelect[Any] = discord.ui.RoleSelect(
            placeholder=words("config.pick.roles"),
            min_values=0,
            max_values=MAX_PLACES,
            default_values=[discord.Object(each, type=discord.Role) for each in rules.roles],
        )
        self._add(roles, lambda answer: self._set(answer, {"roles": _ids(roles.values)}))
        posted = [] if rules.audit_channel is None else [rules.audit_channel]
        audit: discord.ui.ChannelSelect[Any] = discord.ui.ChannelSelect(
            placeholder=words("config.pick.audit_channel"),
            channel_types=POSTING_TYPES,
            min_values=0,
            max_values=1,
            default_values=[discord.Object(each, type=discord.abc.GuildChannel) for each in posted],
        )
        self._add(
            audit, lambda answer: self._set(answer, {"audit_channel": next(iter(_ids(audit.values) or ()), None)})
        )
        talk = "silence" if rules.mentions else "talk"
        actions = (
            ("numbers", self._numbers),
            ("preset", self._preset),
            (talk, self._talk),
            ("audit", self._audit),
            ("reset", self._reset),
        )
        for action, do in actions:
            style = discord.ButtonStyle.danger if action == "reset" else discord.ButtonStyle.secondary
            self._add(discord.ui.Button(label=words(f"config.button.{action}"), style=style), do)

    async def on_timeout(self) -> None:
        """Leave what is set, take away what would no longer answer."""
        closed = TEXTS.for_user(self.opener)("config.show.closed")
        with contextlib.suppress(*FAILURES):  # dismissed meanwhile
            await self.opener.edit_original_response(content=closed, view=None)

    async def show(self, interaction: discord.Interaction[Any], lines: list[str]) -> None:
        """Say what changed, and show what is set now. ``interaction`` has been deferred: a change may have to wait."""
        embed, view = await self.panels.build(interaction, interaction)  # whose token is the newest
        self.stop()
        await interaction.edit_original_response(content="\n".join(lines)[:2000], embed=embed, view=view)

    def _add(
        self,
        item: discord.ui.Item[Any],
        do: Callable[[discord.Interaction[Any]], Awaitable[None]],
        *,
        refresh: bool = False,
    ) -> None:
        async def callback(interaction: discord.Interaction[Any]) -> None:
            await do(interaction)
            if refresh:
                await self._show_now(interaction)

        item.callback = callback  # type: ignore[method-assign]  # as discord.py's own decorators do
        self.add_item(item)

    async def _set(self, interaction: discord.Interaction[Any], changes: dict[str, Any]) -> None:
        await interaction.response.defer()
        await self.show(interaction, await self.panels.changes.make(interaction, changes))

    async def _numbers(self, interaction: discord.Interaction[Any]) -> None:
        form = NumbersForm(interaction, self.panels.changes, self.rules, self.show)
        await interaction.response.send_modal(form)

    async def _preset(self, interaction: discord.Interaction[Any]) -> None:
        assert interaction.guild_id is not None  # settings belong to a server
        kept = await self.panels.rules.kept.all(interaction.guild_id)
        await preset_menu.open_form(interaction, self.panels.changes, kept, self.show, self._show_now)

    async def _talk(self, interaction: discord.Interaction[Any]) -> None:
        await self._set(interaction, {"mentions": None if self.rules.mentions else True})

    async def _audit(self, interaction: discord.Interaction[Any]) -> None:
        embed = await self.panels.changes.trail(interaction)
        await interaction.response.send_message(embed=embed, ephemeral=True)

    async def _reset(self, interaction: discord.Interaction[Any]) -> None:
        await reset_dialog.ask(interaction, self.panels.changes, self._show_now)

    async def _show_now(self, interaction: discord.Interaction[Any]) -> None:
        """Show what is set now, after a change that was made beside the panel."""
        embed, view = await self.panels.build(interaction, self.opener)
        self.stop()
        with contextlib.suppress(*FAILURES):  # after 15 minutes it cannot be; the change is made
            await self.opener.edit_original_response(embed=embed, view=view)


def _ids(values: Any) -> list[int] | None:
    return [value.id for value in values] or None
