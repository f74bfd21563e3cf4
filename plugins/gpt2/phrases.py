"""The plugin's texts, in every language of ``locale``, and errors made of them. Knows nothing of Discord."""

from __future__ import annotations

from typing import TypeVar

from plugins.gpt2.protocol import GenerationError
from townhall_bot.texts import Texts, Words

TEXTS = Texts.beside(__file__)
ENGLISH = TEXTS.of("en")

Error = TypeVar("Error", bound=GenerationError)


def error(kind: type[Error], name: str, **values: object) -> Error:
    """Return an error whose message is the text of that name, in English; :func:`explained` says it in others."""
    made = kind(ENGLISH(name, **values))
    made.said = name, values
    return made


def explained(problem: GenerationError, words: Words) -> str:
    """Return what an error says, in the language of ``words`` where it is known in it."""
    if problem.said is None:
        return str(problem)
    name, values = problem.said
    return words(name, **values)
