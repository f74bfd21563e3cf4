"""Prompt lookup: guess the next tokens from what the same text said before, and check the guess in one step.

A text that repeats itself (a list, a name, a loop) is guessed right often, and a step that checks four tokens costs
less than two that make one. See https://github.com/apoorvumang/prompt-lookup-decoding for the idea.

The sampler draws each token as it would without a guess, and the guess counts as long as it is what was drawn. For a
guess that names one token and no others this is the rejection rule of arXiv 2211.17192: it is taken with the
probability that the model gives it, and what is drawn in its place follows what the model gives the rest. So texts
are distributed as without guessing, at any temperature, and the same seed even gives the same text.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from plugins.gpt2.engine.guess_cost import UNMEASURED, GuessCost
from plugins.gpt2.engine.guess_pace import GuessPace

LONGER, SHORTER = 4, 3
"""Lengths of the ending that is looked up; shorter ones guess wrong too often to pay."""
WIDTH = array("I").itemsize
PATIENCE, STRIDE, LONGEST_STRIDE = 16, 4, 16
"""A text in which so many times in a row nothing was found is looked at at every so many-th token only, and after as
many times again at half of those."""
LENGTHS = (2, 3, 7)
"""Tokens of a guess: the first, and after each that was right to its end the next, where that is expected to pay."""


@dataclass(slots=True)
class PromptLookup:
    """Guesses for one text."""

    pace: GuessPace = field(default_factory=lambda: GuessPace(right=UNMEASURED, first_backoff=12))
    """One miss at the start is enough to pause."""
    _length: int = 0
    """Which of the lengths is next."""
    _text: bytearray = field(default_factory=bytearray)
    """The tokens, ``WIDTH`` bytes each: searching them from the end costs less than to note each run of tokens."""
    quiet: bool = False
    """Whether to take at first that nothing comes again, as of a text whose tokens are drawn."""
    _in_vain: int = 0
    _next: int = 0
    """Length of the text at which it is looked at again."""

    def __post_init__(self) -> None:
        """Look rarely from the start on where that is what the text is taken for."""
        if self.quiet:
            self._in_vain = LONGEST_STRIDE * PATIENCE

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """Return a guess of up to ``most`` tokens that follow ``tokens``, or nothing."""
        if most < 1 or len(tokens) < self._next or len(tokens) < self.pace.wait_until:
            return []
        self._text += array("I", tokens[len(self._text) // WIDTH :]).tobytes()
        found = self._last(SHORTER)
        if found is not None and (longer := self._last(LONGER)) is not None:
            found = longer
        if found is not None:
            self._in_vain = 0
            return _going_on(tokens, found, min(most, LENGTHS[self._length]))
        self._in_vain += 1
        if quiet := self._in_vain // PATIENCE:
            self._next = len(tokens) + min(STRIDE << min(quiet, STRIDE) - 1, LONGEST_STRIDE)
        return []

    def _last(self, length: int) -> int | None:
        """Return the index of what followed the last ``length`` tokens when they came before, None: they did not."""
        text = self._text
        ending, end = text[-length * WIDTH :], len(text) - WIDTH
        while (place := text.rfind(ending, 0, end)) >= 0:
            if place % WIDTH == 0:
                return place // WIDTH + length
            end = place + len(ending) - 1
        return None

    def learn(self, right: int, guesses: int, length: int, cost: GuessCost) -> None:
        """Note that of a text of ``length`` tokens so many of the ``guesses`` were right."""
        longer = min(self._length + 1, len(LENGTHS) - 1)
        if right < guesses:
            self._length = 0
        elif cost.pays_more(LENGTHS[longer], LENGTHS[self._length]):
            self._length = longer
        self.pace.record(right, length, cost.of_check(guesses))


def _going_on(tokens: Sequence[int], start: int, count: int) -> list[int]:
    """Return ``count`` tokens from ``start`` on; behind the end of ``tokens`` they repeat themselves."""
    guess = list(tokens[start : start + count])
    period = len(guess)
    while len(guess) < count:
        guess.append(guess[len(guess) - period])
    return guess
