"""How a model is described to whoever chooses one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, count

from plugins.gpt2.formatting import parameters, without_folders
from plugins.gpt2.protocol import ModelEntry
from townhall_bot.i18n import Words
from townhall_bot.i18n.formatting import format_bytes

MAX_CHOICES = 25
"""How many choices Discord shows."""
MAX_CHOICE = 100
"""The most characters of one, of its value as of its label."""


def public_names(names: Iterable[str]) -> dict[str, str]:
    """Return the models by the names that Discord gets: without the host's folders, and each another one."""
    by_name: dict[str, str] = {}
    for name in names:
        bare = without_folders(name)
        numbered = (f"{bare} ({number})" for number in count(2))
        by_name[next(free for free in chain([bare], numbered) if free not in by_name)] = name
    return by_name


def facts(words: Words, entry: ModelEntry) -> str | None:
    """Return parameters, memory need and what 4 bits save and cost; None where they are not known."""
    if entry.parameters is None or entry.memory_bytes is None:
        return None
    text = words("config.show.facts", parameters=parameters(entry.parameters), memory=format_bytes(entry.memory_bytes))
    if entry.saved_bytes is None or entry.other_tokens is None:
        return text
    saved = format_bytes(entry.saved_bytes)
    return f"{text}, {words('config.show.four_bits', saved=saved, percent=entry.other_tokens)}"


def label(words: Words, entry: ModelEntry) -> str:
    """Return one line for a choice: name, parameters, memory need, and whether it has to be downloaded."""
    place = None
    if entry.on_disk is not None:
        place = words("config.label.on_disk" if entry.on_disk else "config.label.absent")
    described = ", ".join(fact for fact in (facts(words, entry), place) if fact)
    return " · ".join(part for part in (without_folders(entry.name), described) if part)[:MAX_CHOICE]
