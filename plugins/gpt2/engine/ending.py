"""How one text ends: after so many tokens, or with a whole sentence near there."""

from __future__ import annotations

from plugins.gpt2.engine.sentence_ends import last_end
from plugins.gpt2.protocol import Ending, FinishReason

BACK = 4
"""A text may be cut back by one token in so many, to where a sentence ended."""
NEAR = 8
"""Where that is no more than one character in so many, it ends there and goes no further."""
MOST_BEYOND = 48
LEAST_BEYOND = 8
"""How many tokens beyond the count a sentence's end is looked for: half the count, within these."""


class TextEnd:
    """Holds back what may be cut off: the last quarter of a text, and what is beyond its count.

    What was given out stays. The same tokens give the same text, in however many pieces they come.
    """

    def __init__(self, count: int, ending: Ending) -> None:
        self._count = count
        self._whole = ending == "sentence"
        beyond = min(MOST_BEYOND, max(LEAST_BEYOND, count // 2))
        self.most = count + beyond if self._whole else count
        """The most tokens that this may take."""
        self.text = ""
        """All that was written."""
        self.cut = False
        """Whether the text ends in the middle of a sentence, although a whole one was asked for."""
        self._given = 0
        self._held_from: int | None = None
        self._at_count: int | None = None

    def push(self, piece: str, tokens: int) -> str:
        """Take a piece, ``tokens`` being all so far; return what is certain."""
        self.text += piece
        if tokens >= self._count and self._at_count is None:
            self._at_count = len(self.text)
        if not self._whole or tokens < self._count - self._count // BACK:
            return self._give(len(self.text))
        if self._held_from is None:
            self._held_from = self._given
        end = self._end()
        if end is None and self._at_count is not None:  # nothing to go back to
            return self._give(self._at_count)
        return self._give(end or 0)

    def reached(self, tokens: int) -> bool:
        """Tell whether the text is long enough."""
        if not self._whole or tokens >= self.most:
            return tokens >= self._count
        if self._at_count is None or (end := self._end()) is None:
            return False
        return self._at_count - end <= self._at_count // NEAR

    def finish(self, reason: FinishReason, rest: str = "") -> str:
        """Take what came last, and return what was held back as far as it belongs to the text."""
        self.text += rest
        limit = len(self.text) if self._at_count is None else self._at_count
        if not self._whole or reason in ("stop", "end_of_text"):
            return self._give(len(self.text))
        if reason == "cancelled":
            return self._give(limit)
        end = self._end(final=True)
        self.cut = end is None
        return self._give(limit if end is None else end)

    def _end(self, *, final: bool = False) -> int | None:
        """Return where the last sentence ends, among what is held back."""
        end = last_end(self.text, final=final)
        held = self._given if self._held_from is None else self._held_from
        return None if end is None or end < max(held, self._given) else end

    def _give(self, until: int) -> str:
        piece = self.text[self._given : until]
        self._given = max(self._given, until)
        return piece
