"""Forms that lose nothing: of one that cannot be used, its sender sees why, what was typed, and a button to go back.

What was typed stands in that message, which Discord keeps and only its sender sees: so the button works after a restart
and in another process, and no prompt is stored for it. An id reads ``gpt2-form:<name>:<opening>:<state>``.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import discord

from plugins.gpt2.messages import TEXTS
from townhall_bot.discordpy import forms
from townhall_bot.i18n import Words
from townhall_bot.plugins import LastingForm
from townhall_bot.replies import Refusal
from townhall_bot.replies.paging import split
from townhall_bot.replies.refusal import told_to
from townhall_bot.store import StoreError

Interaction = discord.Interaction[Any]
Field = discord.ui.TextInput[Any]
IN_FIELD = 1024
"""Characters that a field of an embed holds; its description takes what is longer."""
SHORT = 20
"""Characters of a value that others may stand beside."""
FENCE = "```\n", "\n```"
"""Around what was typed: Discord shows it as it is, and keeps the white space at its ends."""
BACK = re.compile(r"gpt2-form:(?P<name>[a-z]+):(?P<opening>[0-9a-z]*):(?P<state>[!-~]*)")


class TypedForm(LastingForm, abc.ABC):
    """One of the plugin's forms. ``state`` is what it needs to know besides what is typed, without spaces."""

    name: ClassVar[str]
    """Lower-case letters."""
    longest: ClassVar[str] = ""
    """The id of the field that may hold more than :data:`IN_FIELD` characters."""

    def __init__(self) -> None:
        self.back: type[Back] = Back
        """The class of the button that brings it back; :func:`bound` sets it."""
        self.template = re.compile(rf"gpt2-form:{self.name}:(?P<opening>[0-9a-z]*):(?P<state>[!-~]*)")

    @abc.abstractmethod
    def title(self, words: Words) -> str:
        """Return what stands above the form."""

    @abc.abstractmethod
    async def fields(self, interaction: Interaction, state: str) -> Sequence[Field]:
        """Return the fields, each with its id and with what it holds at first. Raises Refusal."""

    @abc.abstractmethod
    async def take(self, interaction: Interaction, state: str, typed: Mapping[str, str]) -> None:
        """Do what the form asks. Raises Refusal where that cannot be."""

    async def open(self, interaction: Interaction, state: str, typed: Mapping[str, str] | None = None) -> None:
        """Answer with the form; ``typed`` is what fields are to hold in place of what they would."""
        custom_id = f"gpt2-form:{self.name}:{interaction.id:x}:{state}"
        modal = discord.ui.Modal(title=self.title(TEXTS.for_user(interaction)), custom_id=custom_id)
        for field in await self.fields(interaction, state):
            if typed is not None and field.custom_id in typed:
                field.default = typed[field.custom_id]
            modal.add_item(field)
        await forms.show(interaction, modal)

    async def submitted(self, interaction: Interaction, match: re.Match[str], typed: Mapping[str, str]) -> None:
        """Take what was typed; where that cannot be, say so with what brings the form back."""
        try:
            await self.take(interaction, match["state"], typed)
        except (Refusal, StoreError) as error:
            if isinstance(error, Refusal) and error.shown:
                raise
            said = split(str(told_to(interaction, error)))[0]
            await self._give_back(interaction, match, typed, said)
            raise Refusal(said, shown=True) from error

    async def _give_back(
        self, interaction: Interaction, match: re.Match[str], typed: Mapping[str, str], said: str
    ) -> None:
        shown = self._shown(await self._labels(interaction, match["state"]), typed)
        view = discord.ui.View(timeout=None).add_item(self.back.labelled(TEXTS.for_user(interaction), match.string))
        response = interaction.response
        if response.type is discord.InteractionResponseType.deferred_channel_message:
            # Everybody may see that answer, and the first message after it would be that one.
            await interaction.edit_original_response(content=said, view=None)
        send = interaction.followup.send if response.is_done() else response.send_message
        await send(said, embed=shown, view=view, ephemeral=True)

    async def _labels(self, interaction: Interaction, state: str) -> dict[str, str]:
        """Return what stands above each field; nothing where what the form was refused for keeps it from being made."""
        try:
            fields = [field.to_component_dict() for field in await self.fields(interaction, state)]
        except (Refusal, StoreError):
            return {}
        return {str(field["custom_id"]): str(field.get("label")) for field in fields}

    def _shown(self, labels: Mapping[str, str], typed: Mapping[str, str]) -> discord.Embed:
        first, last = FENCE
        embed = discord.Embed()
        for key, value in typed.items():
            if key == self.longest:
                embed.description = first + value + last
            else:
                embed.add_field(
                    name=labels.get(key, key), value=first + value[: IN_FIELD - 8] + last, inline=len(value) <= SHORT
                )
        return embed

    def typed_before(self, message: discord.Message | None, keys: Sequence[str]) -> dict[str, str]:
        """Return what such a message shows; ``keys`` are the ids of the fields in the order of the form."""
        if message is None or not message.embeds:
            return {}
        embed = message.embeds[0]
        values = [(embed.description or "") if key == self.longest else None for key in keys]
        others = iter(field.value or "" for field in embed.fields)
        found = zip(keys, (next(others, "") if value is None else value for value in values), strict=True)
        first, last = FENCE
        return {key: value.removeprefix(first).removesuffix(last) for key, value in found}


class Back(discord.ui.DynamicItem[discord.ui.Button[Any]], template=BACK):
    """A button that opens a form as it was sent. :func:`bound` makes the class that knows the forms."""

    forms: ClassVar[Mapping[str, TypedForm]]

    def __init__(self, item: discord.ui.Button[Any], name: str, state: str) -> None:
        super().__init__(item)
        self.name, self.state = name, state

    @classmethod
    def labelled(cls, words: Words, custom_id: str) -> Self:
        """Return the button of the form with that id."""
        match = BACK.fullmatch(custom_id)
        assert match is not None  # every form's template is a case of it
        return cls(discord.ui.Button(label=words("form.back"), custom_id=custom_id), match["name"], match["state"])

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Return the button that was pressed."""
        assert isinstance(item, discord.ui.Button)  # no other component has such an id
        return cls(item, match["name"], match["state"])

    async def callback(self, interaction: Interaction) -> None:
        """Open the form."""
        form = self.forms.get(self.name)
        if form is None:
            raise Refusal(TEXTS.for_user(interaction)("form.newer"))
        keys = [field.custom_id for field in await form.fields(interaction, self.state)]
        await form.open(interaction, self.state, form.typed_before(interaction.message, keys))


def bound(*forms: TypedForm) -> type[Back]:
    """Return the class of buttons that open these forms."""
    by_name = {form.name: form for form in forms}

    class Bound(Back, template=BACK):
        forms = by_name

    for form in forms:
        form.back = Bound  # showing a button has discord.py find this class by its id
    return Bound
