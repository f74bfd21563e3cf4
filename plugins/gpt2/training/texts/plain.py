"""Plain text and Markdown: a file is a document."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from plugins.gpt2.training.texts.pieces import NotText, Piece, stream

CHUNK = 1 << 20
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""What a file may begin with, and what it is written in then."""
MOST_WRONG = 0.01
"""The share of a file's beginning that may be no UTF-8: a few broken characters spoil no text."""


def read(path: Path, longest: int) -> Iterator[Piece]:
    """Yield a file's pieces. Raises :class:`NotText` before the first one, and OSError."""
    encoding = encoding_of(path)
    yield from stream(_chunks(path, encoding), longest)


def encoding_of(path: Path) -> str:
    """Return what a text file is written in, by its beginning. Raises :class:`NotText` where it is no text."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if not start.strip(b"\0"):
        raise NotText("it holds nothing but zeros" if start else "it is empty")
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding
    if b"\0" in start:
        raise NotText("it is not text (there are zero bytes in it)")
    text = start.decode("utf-8", "replace")
    if text.count("\ufffd") > max(1, MOST_WRONG * len(text)):
        raise NotText("it is not UTF-8 text; save it as UTF-8")
    return "utf-8"


def _chunks(path: Path, encoding: str) -> Iterator[str]:
    with path.open(encoding=encoding, errors="replace", newline=None) as file:
        while chunk := file.read(CHUNK):
            yield chunk.replace("\0", "")
