"""Prompt lookup: guess the next tokens from what the same text said before, and check the guess in one step.

A text that repeats itself (a list, a name, a loop) is guessed right often, and a step that checks four tokens costs
less than two that make one. See https://github.com/apoorvumang/prompt-lookup-decoding for the idea.

The sampler draws each token as it would without a guess, and the guess counts as long as it is what was drawn. For a
guess that names one token and no others this is the rejection rule of arXiv 2211.17192: it is taken with the
probability that the model gives it, and what is drawn in its place follows what the model gives the rest. So texts
are distributed as without guessing, at any temperature, and the same seed even gives the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from plugins.gpt2.engine.guess_cost import UNMEASURED, GuessCost
from plugins.gpt2.engine.guess_pace import GuessPace

LONGER, SHORTER = 4, 3
"""Lengths of the ending that is looked up; shorter ones guess wrong too often to pay."""
BITS = 20
"""Of a token, the largest vocabulary's."""
LONGER_BITS, SHORTER_BITS = (1 << LONGER * BITS) - 1, (1 << SHORTER * BITS) - 1
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
    _followed: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    """Where each run of ``SHORTER`` and of ``LONGER`` tokens was last followed by something: the index of that."""
    _known: int = 0
    """Up to where the text is in there."""
    _run: int = 0
    """The last tokens before that, ``BITS`` each: a tuple takes several times as long, at every token of every text."""

    _in_vain: int = 0
    _next: int = 0
    """Length of the text at which it is looked at again."""

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """Return a guess of up to ``most`` tokens that follow ``tokens``, or nothing."""
        if most < 1 or len(tokens) < self._next or len(tokens) < self.pace.wait_until:
            return []
        (shorter, longer), run = self._followed, self._run
        for place in range(self._known, len(tokens)):
            if place >= SHORTER:
                shorter[run & SHORTER_BITS] = longer[run] = place
            run = (run << BITS | tokens[place]) & LONGER_BITS
        self._known, self._run = len(tokens), run
        found = longer.get(run) or shorter.get(run & SHORTER_BITS)
        if found is not None:
            self._in_vain = 0
            return _going_on(tokens, found, min(most, LENGTHS[self._length]))
        self._in_vain += 1
        if quiet := self._in_vain // PATIENCE:
            self._next = len(tokens) + min(STRIDE << quiet - 1, LONGEST_STRIDE)
        return []

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
