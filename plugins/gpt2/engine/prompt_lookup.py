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
LENGTHS = (2, 3, 7)
"""Tokens of a guess: the first, and after each that was right to its end the next, where that is expected to pay."""


@dataclass(slots=True)
class PromptLookup:
    """Guesses for one text."""

    pace: GuessPace = field(default_factory=lambda: GuessPace(right=UNMEASURED, first_backoff=12))
    """One miss at the start is enough to pause."""
    _length: int = 0
    """Which of the lengths is next."""
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict)
    """Where each run of tokens was last followed by something: the index of what followed."""
    _known: int = SHORTER
    """Up to where the text is in ``_seen``; a run that is shorter than any that is looked up is not."""

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """Return a guess of up to ``most`` tokens that follow ``tokens``, or nothing."""
        count, seen = len(tokens), self._seen
        if most < 1 or count < self.pace.wait_until:
            return []
        for end in range(self._known, count):
            seen[tuple(tokens[end - SHORTER : end])] = end
            if end >= LONGER:
                seen[tuple(tokens[end - LONGER : end])] = end
        self._known = max(self._known, count)
        found = seen.get(tuple(tokens[count - SHORTER :]))
        if found is None:  # nor is there a longer one
            return []
        found = seen.get(tuple(tokens[count - LONGER :]), found)
        return _going_on(tokens, found, min(most, LENGTHS[self._length]))

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
