"""The panel's menus and buttons. Their ids tell what is used, so that a panel outlives the process that showed it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import discord

from plugins.gpt2 import presets
from plugins.gpt2.admin.model_choices import MAX_CHOICE, MAX_CHOICES, label, public_names
from plugins.gpt2.guild_rules import MAX_PLACES, PLACE_TYPES, POSTING_TYPES, GuildRules
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.presets import Preset
from plugins.gpt2.protocol import ModelEntry
from plugins.gpt2.typed_form import Interaction
from townhall_bot.i18n import Words

TEMPLATE = re.compile(r"gpt2-config:(?P<action>[a-z_]+)(?::(?P<number>\d{1,20}))?")
MAX_DESCRIPTION = 100
"""Characters that Discord takes below a menu's choice."""


class Actions(Protocol):
    """What is done when something of the panel is used."""

    async def do(self, interaction: Interaction, action: str, number: int, chosen: Sequence[Any]) -> None:
        """Do it. ``number`` is what the id says besides, ``chosen`` what a menu's values are."""


class PanelItem(discord.ui.DynamicItem[discord.ui.Item[Any]], template=TEMPLATE):
    """A menu or a button. :func:`bound` makes the class that knows what each does."""

    actions: ClassVar[Actions]

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Return what was used."""
        return cls(item)

    async def callback(self, interaction: Interaction) -> None:
        """Do what it stands for."""
        match = TEMPLATE.fullmatch(self.custom_id)
        assert match is not None  # discord.py found the item by it
        await self.actions.do(interaction, match["action"], int(match["number"] or 0), getattr(self.item, "values", ()))


def bound(to: Actions) -> type[PanelItem]:
    """Return the class of items that act through ``to``."""

    class Bound(PanelItem, template=TEMPLATE):
        actions = to

    return Bound


class PanelView:
    """Makes what stands below the panel's text, in the words of whoever sees it."""

    def __init__(self, item: type[PanelItem]) -> None:
        self._item = item

    def settings(
        self, interaction: Interaction, rules: GuildRules, entries: Sequence[ModelEntry], undo: int | None = None
    ) -> discord.ui.View:
        """Return menus for the model and the places, buttons for the rest; one to ``undo`` a reset, if there was."""
        words = TEXTS.for_user(interaction)
        back = "reset" if undo is None else f"undo:{undo}"
        actions = ("numbers", "preset", "silence" if rules.mentions else "talk", "audit", back)
        return self._view(
            self._models(words, rules, entries),
            self._channels(words, "channels", PLACE_TYPES, MAX_PLACES, rules.channels),
            discord.ui.RoleSelect(
                custom_id=_id("roles"),
                placeholder=words("config.pick.roles"),
                min_values=0,
                max_values=MAX_PLACES,
                default_values=[discord.Object(each, type=discord.Role) for each in rules.roles],
            ),
            self._channels(
                words, "audit_channel", POSTING_TYPES, 1, [] if rules.audit_channel is None else [rules.audit_channel]
            ),
            *(_button(words, action) for action in actions),
        )

    def asking(self, interaction: Interaction) -> discord.ui.View:
        """Return the buttons of the question whether everything shall be set back."""
        words = TEXTS.for_user(interaction)
        return self._view(_button(words, "reset_all"), _button(words, "settings"))

    def undoing(self, interaction: Interaction, reset: int | None) -> discord.ui.View | None:
        """Return the button that undoes a reset; None where there is nothing to undo."""
        return None if reset is None else self._view(_button(TEXTS.for_user(interaction), f"undo_alone:{reset}"))

    def own_presets(self, interaction: Interaction, own: Sequence[Preset]) -> discord.ui.View:
        """Return a menu of the server's own presets, and a button for another one."""
        words = TEXTS.for_user(interaction)
        menu: discord.ui.Select[Any] = discord.ui.Select(
            custom_id=_id("change_preset"),
            placeholder=words("preset.pick"),
            options=[
                discord.SelectOption(label=preset.name, description=" ".join(preset.opening.split())[:MAX_DESCRIPTION])
                for preset in own
            ],
        )
        return self._view(menu, _button(words, "new_preset"), _button(words, "settings"))

    def _models(self, words: Words, rules: GuildRules, entries: Sequence[ModelEntry]) -> discord.ui.Select[Any]:
        public = zip(public_names(entry.name for entry in entries), entries, strict=True)
        offered = [(name, entry) for name, entry in public if len(name) <= MAX_CHOICE][:MAX_CHOICES]
        return discord.ui.Select(
            custom_id=_id("model"),
            placeholder=words("config.pick.model"),
            options=[
                discord.SelectOption(label=label(words, entry), value=name, default=entry.name == rules.model)
                for name, entry in offered
            ],
        )

    @staticmethod
    def _channels(
        words: Words, action: str, types: list[discord.ChannelType], most: int, now: Sequence[int]
    ) -> discord.ui.ChannelSelect[Any]:
        return discord.ui.ChannelSelect(
            custom_id=_id(action),
            placeholder=words(f"config.pick.{action}"),
            channel_types=types,
            min_values=0,
            max_values=most,
            default_values=[discord.Object(each, type=discord.abc.GuildChannel) for each in now],
        )

    def _view(self, *items: discord.ui.Item[Any]) -> discord.ui.View:
        view = discord.ui.View(timeout=None)
        for each in items:
            view.add_item(self._item(each))
        return view


def own_presets(kept: Mapping[str, Any]) -> list[Preset]:
    """Return the presets that a server has made, of all that is kept of it."""
    names = (key.removeprefix(presets.KEY) for key in kept if key.startswith(presets.KEY))
    return [preset for name in names if (preset := presets.of(kept, name)) is not None]


def _id(action: str) -> str:
    return f"gpt2-config:{action}"


def _button(words: Words, action: str) -> discord.ui.Button[Any]:
    name = action.partition(":")[0]
    danger = name in ("reset", "reset_all")
    style = discord.ButtonStyle.danger if danger else discord.ButtonStyle.secondary
    return discord.ui.Button(label=words(f"config.button.{name}"), style=style, custom_id=_id(action))
