"""JSON lines: an object a line, whose ``text`` is a document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from plugins.gpt2.training.texts.pieces import NotText, Piece, cut
from plugins.gpt2.training.texts.plain import encoding_of

LONGEST_LINE = 1 << 26
"""Characters; a line is in memory whole."""


def read(path: Path, longest: int) -> Iterator[Piece]:
    """Yield the texts' pieces. Raises :class:`NotText` naming the first line that is none, and OSError."""
    with path.open(encoding=encoding_of(path), errors="replace") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if line.strip():
                yield from cut(_text(line, number), longest)


def _text(line: str, number: int) -> str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise NotText(f"line {number} is not JSON") from None
    text = found.get("text") if isinstance(found, dict) else None
    if not isinstance(text, str):
        raise NotText(f'line {number} has no "text"; each line must be an object with one')
    return text
