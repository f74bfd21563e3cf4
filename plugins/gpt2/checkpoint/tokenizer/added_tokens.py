"""Tokens that were added to a vocabulary after its training: matched in a text before it is cut into words.

Ordinary ones ("covid", "[NEWLINE]") are words like others: found in prompts, and printed. Special ones ("<|user|>",
the end of text) are signs for the model: never printed, and found only in what the host itself wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import to_bytes

_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class AddedToken:
    """One added token, with the fields of the ``tokenizers`` library.

    ``single_word`` matches only what no letter touches; ``lstrip`` and ``rstrip`` take the white space beside it along;
    one that is not ``normalized`` is looked for before those that are.
    """

    content: str
    id: int
    special: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True

    @property
    def printed(self) -> bytes:
        """What a reader sees where the model writes this token."""
        if self.special:
            return b""
        whole = self.content.encode()
        content = to_bytes(self.content)
        if content is None:
            return whole
        try:
            content.decode()
        except UnicodeDecodeError:  # "naïve" is a word, not the bytes that its letters stand for
            return whole
        return content  # "Ġcovid" was added by one who knows the byte alphabet: the word with a space before it


class AddedTokens:
    """Finds added tokens in a text, as the ``tokenizers`` library does: the leftmost first, of several the longest."""

    def __init__(self, tokens: Iterable[AddedToken]) -> None:
        rounds: tuple[dict[str, AddedToken], dict[str, AddedToken]] = {}, {}
        for token in tokens:
            if token.content:
                rounds[token.normalized][token.content] = token
        self._rounds = [(_either(sorted(found, key=len, reverse=True)), found) for found in rounds if found]

    def split(self, text: str) -> list[str | int]:
        """Return the ids of what was found, and the pieces of text between them."""
        pieces: list[str | int] = [text] if text else []
        for pattern, found in self._rounds:
            pieces = [
                part
                for piece in pieces
                for part in (_cut(piece, pattern, found) if isinstance(piece, str) else (piece,))
            ]
        return pieces


def _either(contents: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, contents)))


def _cut(text: str, pattern: re.Pattern[str], tokens: dict[str, AddedToken]) -> Iterator[str | int]:
    begin = 0
    for match in pattern.finditer(text):
        token, start, end = tokens[match.group()], match.start(), match.end()
        if start < begin:  # the white space that the token before took along
            continue
        if token.single_word and (_LETTER.match(text[start - 1 : start]) or _LETTER.match(text, end)):
            continue
        if token.lstrip:
            start = max(begin, len(text[:start].rstrip()))
        if token.rstrip:
            end = len(text) - len(text[end:].lstrip())
        if begin < start:
            yield text[begin:start]
        yield token.id
        begin = end
    if begin < len(text):
        yield text[begin:]
