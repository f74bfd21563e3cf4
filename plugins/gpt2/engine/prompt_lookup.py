"""Prompt lookup: guess the next tokens from what the same text said before, and check the guess in one step.

A text that repeats itself (a list, a name, a loop) is guessed right often, and a step that checks four tokens costs
little more than one that makes one. See https://github.com/apoorvumang/prompt-lookup-decoding for the idea.

The sampler draws each token as it would without a guess, and the guess counts as long as it is what was drawn. For a
guess that names one token and no others this is the rejection rule of arXiv 2211.17192: it is taken with the
probability that the model gives it, and what is drawn in its place follows what the model gives the rest. So texts
are distributed as without guessing, at any temperature, and the same seed even gives the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from plugins.gpt2.engine.guess_cost import UNMEASURED
from plugins.gpt2.engine.guess_pace import GuessPace

NGRAMS = (4, 3)
"""Lengths of the ending that is looked up, the longest first; shorter ones guess wrong too often to pay."""
SHORT, LONG = 3, 7
"""Tokens of a guess, and of one that follows a guess that was right to its end."""


@dataclass(slots=True)
class PromptLookup:
    """Guesses for one text."""

    pace: GuessPace = field(default_factory=lambda: GuessPace(right=UNMEASURED))
    """One miss at the start is enough to pause."""
    _most: int = SHORT
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict)
    """Where each run of tokens was last followed by something: the index of what followed."""
    _known: int = 0
    """Up to where the text is in ``_seen``."""

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """Return a guess of up to ``most`` tokens that follow ``tokens``, or nothing."""
        if most < 1 or len(tokens) < self.pace.wait_until:
            return []
        for end in range(self._known, len(tokens)):
            for length in NGRAMS:
                if end >= length:
                    self._seen[tuple(tokens[end - length : end])] = end
        self._known = len(tokens)
        for length in NGRAMS:
            if (found := self._seen.get(tuple(tokens[-length:]))) is not None:
                return _going_on(tokens, found, min(most, self._most))
        return []

    def learn(self, right: int, guesses: int, length: int, worth: float) -> None:
        """Note that of a text of ``length`` tokens so many of the ``guesses`` were right; ``worth`` would pay."""
        self._most = LONG if right == guesses else SHORT
        self.pace.record(right, length, worth)


def _going_on(tokens: Sequence[int], start: int, count: int) -> list[int]:
    """Return ``count`` tokens from ``start`` on; behind the end of ``tokens`` they repeat themselves."""
    guess = list(tokens[start : start + count])
    period = len(guess)
    while len(guess) < count:
        guess.append(guess[len(guess) - period])
    return guess
