"""Texts as they are read: pieces of bounded length, so that a file of gigabytes is never in memory whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 20_000
"""Characters of a piece."""
_BREAK = re.compile(r"(?<=\S)\n")
_SPACE = re.compile(r"(?<=\S)\s")


class NotText(ValueError):
    """A file is nothing that can be trained on; the message says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a document's text; ``ends`` tells that the document ends with it."""

    text: str
    ends: bool = True


def cut(text: str, longest: int = LONGEST) -> Iterator[Piece]:
    """Yield a whole document in pieces."""
    yield from stream(iter((text,)), longest)


def stream(chunks: Iterator[str], longest: int = LONGEST) -> Iterator[Piece]:
    """Yield one document, which comes in chunks, in pieces of at most ``longest`` characters.

    A piece ends where white space follows a word: GPT-2's words begin with their space, so the tokens of the pieces are
    those of the whole. What is longer than a piece without any white space is cut all the same.
    """
    held = ""
    for chunk in chunks:
        held += chunk
        while len(held) > longest:
            at = _last(held, longest)
            yield Piece(held[:at], ends=False)
            held = held[at:]
    if held.strip():
        yield Piece(held)


def _last(text: str, longest: int) -> int:
    """Return where to cut: the last line's end in the second half, else the last white space, else anywhere."""
    for pattern in (_BREAK, _SPACE):
        at = -1
        for found in pattern.finditer(text, longest // 2, longest):
            at = found.start()
        if at > 0:
            return at
    return longest
