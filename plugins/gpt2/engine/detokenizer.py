"""From tokens to text that can be shown at once: whole characters only, and nothing of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from plugins.gpt2.language_model import Tokenizer


class Detokenizer:
    """Turns one request's tokens into text, piece by piece.

    A token may hold a part of a character (an emoji is up to four bytes, in as many tokens), so bytes wait until
    their character is whole. Text that could be the beginning of a stop string waits until it is clear.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = tuple(stop)
        # "replace" shows U+FFFD for bytes that can never become a character; unfinished ones stay in the decoder.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.text = ""
        """All text given out so far."""
        self.stopped = False
        """Whether a stop string appeared; :attr:`text` ends before it, and nothing follows."""

    def push(self, token: int) -> str:
        """Take one more token; return the text that became certain, often nothing."""
        if self.stopped:
            return ""
        self._held += self._decoder.decode(self._tokenizer.decode_bytes([token]))
        match = self._first_stop()
        if match is None:
            certain = len(self._held) - self._possible_stop()
        else:
            certain, self.stopped = match, True
        return self._give(certain)

    def finish(self) -> str:
        """Return what was held back; there are no more tokens. Bytes of an unfinished character are dropped."""
        return "" if self.stopped else self._give(len(self._held))

    def _give(self, length: int) -> str:
        piece, self._held = self._held[:length], self._held[length:]
        self.text += piece
        return piece

    def _first_stop(self) -> int | None:
        """Where the stop string that is complete first begins, so that the result does not depend on the pieces."""
        found = [(start + len(stop), start) for stop in self._stop if (start := self._held.find(stop)) >= 0]
        return min(found)[1] if found else None

    def _possible_stop(self) -> int:
        """Length of the longest end of the held text with which a stop string begins."""
        return max(
            (
                length
                for stop in self._stop
                for length in range(min(len(stop) - 1, len(self._held)), 0, -1)
                if self._held.endswith(stop[:length])
            ),
            default=0,
        )
