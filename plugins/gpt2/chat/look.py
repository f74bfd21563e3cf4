"""How an answer looks: which buttons are below it, and what is shown of the text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import discord

from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.message_format import CUT_OFF

Views = Callable[[discord.Interaction[Any], int, GenerationOptions], discord.ui.View | None]
"""Makes the buttons below a text, given its interaction, an id and the options."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """The buttons while a text grows (the id is the request's), and below a finished one (the first message's)."""

    growing: Views
    finished: Views
    choosing: Callable[[discord.Interaction[Any], GenerationOptions, int], discord.ui.View] | None = None
    """Those below so many texts of which one is to be picked."""


@dataclass(frozen=True, slots=True)
class Look:
    """What an answer looks like. ``shown`` makes a message of the new text; without ``buttons`` it has none.

    ``own_words`` says that the prompt is what the asker wrote, and no more: then they are told what was cut off.
    ``tells_cuts`` says that a text which breaks off in a sentence shows it.
    """

    shown: Callable[[str], str]
    buttons: Buttons | None
    own_words: bool = False
    tells_cuts: bool = False

    def final(self, text: str, *, cut: bool) -> str:
        """Return the message of a finished text; ``cut`` says that it breaks off in a sentence."""
        shown = self.shown(text)
        return shown.rstrip() + CUT_OFF if cut and self.tells_cuts else shown
