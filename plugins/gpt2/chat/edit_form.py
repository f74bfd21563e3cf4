"""The form in which a prompt is changed before it is asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import discord

from plugins.gpt2.chat import option_table
from plugins.gpt2.chat.button_id import UnknownVersion, unpack
from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.message_format import Shown
from plugins.gpt2.chat.option_table import Option, Value
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.formatting import number
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.typed_form import Field, Interaction, TypedForm
from townhall_bot.i18n import Words
from townhall_bot.replies import Refusal

MAX_CHARS = 4000
"""The most that a field of Discord's forms holds."""
PARTS = {"w": "prompt", "p": "prompt_part", "e": "prompt_end"}
"""How much of a prompt there is to change: all of it, its last characters, or what its message shows."""


class EditForm(TypedForm):
    """Shows a prompt and some of its options to be changed; sending it asks for a text.

    Which options those are is said in the table. The others stay as the state has them: a letter of :data:`PARTS`, then
    the options packed as in the ids of buttons.
    """

    name = "edit"
    longest = "prompt"

    def __init__(self, responder: Responder) -> None:
        super().__init__()
        self._responder = responder

    async def begin(self, interaction: Interaction, shown: Shown, packed: str) -> None:
        """Open the form of a text that was written with these options."""
        part = "e" if shown.cut else "p" if len(shown.prompt) > MAX_CHARS else "w"
        await self.open(interaction, part + packed, {"prompt": shown.prompt[-MAX_CHARS:]})

    def title(self, words: Words) -> str:
        """Return what stands above the form."""
        return words("form.title")

    async def fields(self, interaction: Interaction, state: str) -> Sequence[Field]:
        """Return a field for the prompt, and one for each option that can be changed."""
        words, options = TEXTS.for_user(interaction), await self._options(interaction, state)
        label = words(f"form.{PARTS.get(state[:1], 'prompt')}", chars=MAX_CHARS)
        prompt: Field = discord.ui.TextInput(
            label=label, custom_id="prompt", style=discord.TextStyle.paragraph, max_length=MAX_CHARS
        )
        return [prompt, *(self._field(option, options, words) for option in option_table.OPTIONS.edited)]

    @staticmethod
    def _field(option: Option, options: GenerationOptions, words: Words) -> Field:
        return discord.ui.TextInput(
            label=words(f"form.{option.name}"),
            custom_id=option.name,
            default=option.write(options.values.get(option.name), words),
            max_length=option.characters,
            required=option.name in options.values,
        )

    async def take(self, interaction: Interaction, state: str, typed: Mapping[str, str]) -> None:
        """Ask with what the form says."""
        options = await self._options(interaction, state)
        changed: dict[str, Value] = {}
        for option in option_table.OPTIONS.edited:
            given = typed.get(option.name, "").strip()
            if not given and option.name not in options.values:
                continue
            changed[option.name] = self._read(interaction, option, given)
        await self._responder.answer(interaction, typed.get("prompt", ""), options | GenerationOptions(changed))

    def _read(self, interaction: Interaction, option: Option, given: str) -> Value:
        """Return what was typed as a value. Raises Refusal where it is none, or not within this host's bounds."""
        low, high = option.within(self._responder.settings)
        value = option.read(given)
        if value is not None and low <= value <= high:
            return value
        words = TEXTS.for_user(interaction)
        if option.choices:
            raise Refusal(words("refused.form_choice", choices=", ".join(option.choices), given=given))
        bounds = {"low": number(low), "high": number(high)}
        raise Refusal(words("refused.form", field=words(f"form.{option.name}"), given=given, **bounds))

    async def _options(self, interaction: Interaction, state: str) -> GenerationOptions:
        try:
            return await self._responder.completed(interaction, unpack(state[1:]))
        except UnknownVersion as error:
            raise Refusal(TEXTS.for_user(interaction)("refused.newer")) from error
