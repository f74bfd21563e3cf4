"""What people read, in one place per package and in every language that somebody brought.

A package keeps ``locale/en.toml`` and, beside it, one file per further locale that Discord knows (``de.toml``,
``pt-BR.toml``). Tables become dots in a text's name, ``{…}`` are its values, and a table of ``one`` and ``other``
is one text in singular and plural, chosen by its value ``count``::

    [queue]
    full = "The queue is full. Try again in {minutes} min."
    ahead = {one = "{count} request is before yours.", other = "{count} requests are before yours."}

In code::

    TEXTS = Texts.beside(__file__)
    words = TEXTS.for_user(interaction)       # what only the user sees: in the user's language
    words = TEXTS.for_channel(interaction)    # what the channel sees: in the server's
    words("queue.full", minutes=3), words("queue.ahead", count=1)

What a language lacks is said in English. ``TEXTS.english("name")`` is the English text, for the description of a
command: Discord is told its translations too.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discord import Interaction

ENGLISH = "en"
FOLDER = "locale"
DECIMAL_COMMA = frozenset({"da", "de", "el", "es-ES", "hr", "id", "it", "nl", "pt-BR", "ro", "tr", "vi"})
"""Locales of Discord's in which one writes 1.500,5 for 1,500.5 (Unicode's CLDR, ``numbers/symbols``)."""


class TextsError(ValueError):
    """A file of texts cannot be used. The message names the file and what is wrong with it."""


class _Numbers(string.Formatter):
    """Puts values into a text, numbers with the marks of its language."""

    def __init__(self, marks: dict[int, str]) -> None:
        self._marks = marks

    def format_field(self, value: Any, format_spec: str) -> Any:
        """Return a value as text."""
        text = super().format_field(value, format_spec)
        return text.translate(self._marks) if isinstance(value, int | float) else text


_ENGLISH_NUMBERS = _Numbers({})
_COMMA_NUMBERS = _Numbers({ord(","): ".", ord("."): ","})


class Words:
    """The texts in one language: call it with a text's name and its values."""

    def __init__(self, chosen: Mapping[str, str], english: Mapping[str, str], locale: str) -> None:
        self._chosen = chosen
        self._english = english
        self.locale = locale

    def __call__(self, name: str, /, **values: object) -> str:
        """Return a text with its values in place. Raises KeyError where there is no such text, or a value is missing.

        Values are put in as they are: braces in what a person wrote are no placeholders.
        """
        if name not in self._english and "count" in values:
            name = f"{name}.{'one' if values['count'] == 1 else 'other'}"
        chosen = self._chosen.get(name)
        if chosen is None:
            return _ENGLISH_NUMBERS.vformat(self._english[name], (), values)
        return (_COMMA_NUMBERS if self.locale in DECIMAL_COMMA else _ENGLISH_NUMBERS).vformat(chosen, (), values)

    def as_written(self) -> dict[str, str]:
        """Return every text by its name, values not put in: for what puts them in elsewhere, as a page in a browser."""
        return {**self._english, **self._chosen}


class Texts:
    """All texts of a package. ``by_locale`` maps a locale to texts by name, and must have English (``en``)."""

    def __init__(self, by_locale: Mapping[str, Mapping[str, str]]) -> None:
        self._by_locale = by_locale
        self._names = {text: name for name, text in by_locale[ENGLISH].items()}

    @classmethod
    def beside(cls, module_file: str) -> Texts:
        """Read ``locale/*.toml`` next to a module (give ``__file__``); raise :class:`TextsError`."""
        folder = Path(module_file).parent / FOLDER
        found = {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}
        if ENGLISH not in found:
            raise TextsError(f"{folder / 'en.toml'} is missing: every text has its English form there")
        for locale, texts in found.items():
            unknown = sorted(set(texts) - set(found[ENGLISH]))
            if unknown:
                raise TextsError(f"{folder / locale}.toml has texts that en.toml lacks: {', '.join(unknown)}")
        return cls(found)

    @property
    def locales(self) -> tuple[str, ...]:
        """The locales there are, English among them."""
        return tuple(self._by_locale)

    def of(self, locale: object) -> Words:
        """Return the texts for a locale of Discord's ("de", "pt-BR", ``interaction.locale``); None means English."""
        wanted = str(locale)
        for candidate in (wanted, wanted.split("-")[0]):
            if candidate in self._by_locale:
                return Words(self._by_locale[candidate], self._by_locale[ENGLISH], candidate)
        return Words(self._by_locale[ENGLISH], self._by_locale[ENGLISH], ENGLISH)

    def for_channel(self, interaction: Interaction[Any]) -> Words:
        """Return the texts for what everyone in a channel reads; in direct messages that is the user alone."""
        return self.of(interaction.guild_locale or interaction.locale)

    def for_user(self, interaction: Interaction[Any]) -> Words:
        """Return the texts for what only the user reads whose interaction this is."""
        return self.of(interaction.locale)

    def english(self, name: str) -> str:
        """Return the English text as it is written, without values."""
        return self._by_locale[ENGLISH][name]

    def translation(self, english: str, locale: object) -> str | None:
        """Return the translation of an English text; None where there is none, or it is no text of these."""
        name = self._names.get(english)
        words = self.of(locale)
        return None if name is None or words.locale == ENGLISH else self._by_locale[words.locale].get(name)


NO_TEXTS = Texts({ENGLISH: {}})


def _read(path: Path) -> dict[str, str]:
    try:
        return _flat(tomllib.loads(path.read_text(encoding="utf-8")), "")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TextsError) as error:
        raise TextsError(f"{path}: {error}") from error


def _flat(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        match value:
            case str():
                texts[name] = value
            case dict():
                texts |= _flat(value, f"{name}.")
            case _:
                raise TextsError(f"{name} must be a text, not {value!r}")
    return texts
