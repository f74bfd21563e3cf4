"""Telling Discord what commands are called and described as in other languages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import discord
from discord import app_commands

from townhall_bot.i18n import Texts


class CommandTranslator(app_commands.Translator):
    """Looks each English name and description up in the texts of the core and of every plugin."""

    def __init__(self, texts: Iterable[Texts]) -> None:
        self._texts = tuple(texts)

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes | Any,
    ) -> str | None:
        """Return the translation, or None: Discord then shows the English text."""
        found = (texts.translation(string.message, locale) for texts in self._texts)
        return next((translation for translation in found if translation is not None), None)
