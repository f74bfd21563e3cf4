"""What guessing and checking cost on this machine, next to a step without either."""

from __future__ import annotations

import numpy as np

FORGETTING = 1.02
"""Growth of what was fastest with each new time: a quick step long ago says little about now."""
UNMEASURED = 0.4
"""What is taken for the cost of a check until both kinds of step were measured."""
DRAFTING, CHECKING = 0.15, 0.15
"""What is taken for the cost of a token that a draft writes, and of having it checked, until they were measured."""
RENEWED = 32
"""After so many guesses of a draft in a row a step goes without one: what that costs now has to be known."""
MOSTLY = 0.9
"""How likely each token of a guess is right after one that was right to its end."""
LEAST, MOST = 0.05, 4.0
"""A guess costs a little of Python besides; and a first slow step must not end guessing for good."""


class GuessCost:
    """Compares the kinds of step by the fastest of late: only disturbance makes a step slower.

    ``of_token`` fp32 (2,) is what a draft's token costs to write and what it costs to check, in steps without either.
    """

    def __init__(self) -> None:
        self.of_token = np.array([DRAFTING, CHECKING], np.float32)
        self._single_s: float | None = None
        self._checked_s: dict[int, float] = {}
        self._token_s: float | None = None
        self._since_single = RENEWED

    def single(self, seconds: float) -> None:
        """Note a step that made one token of one text."""
        self._single_s = _fastest(self._single_s, seconds)
        self._since_single = 0
        self._compare()

    def checked(self, guesses: int, seconds: float) -> None:
        """Note a step that checked so many guesses of one text."""
        self._checked_s[guesses] = _fastest(self._checked_s.get(guesses), seconds)
        self._since_single += 1
        self._compare()

    def drafted(self, tokens: int, seconds: float) -> None:
        """Note that a draft wrote so many tokens in that time."""
        self._token_s = _fastest(self._token_s, seconds / tokens)
        self._compare()

    @property
    def wants_single(self) -> bool:
        """Whether a draft should be left alone for a step, to learn what a step without it takes."""
        return self._since_single >= RENEWED

    def of_draft(self, tokens: int, guesses: int) -> float:
        """Return what it costs that a draft wrote so many tokens and so many of them were checked."""
        drafting, checking = self.of_token.tolist()
        return float(tokens * drafting + guesses * checking)

    def of_check(self, guesses: int) -> float:
        """Return what checking so many guesses costs, in steps: as many must be right on average for it to pay."""
        if not self._single_s or guesses not in self._checked_s:
            return UNMEASURED
        return min(max(self._checked_s[guesses] / self._single_s - 1, LEAST), MOST)

    def pays_more(self, more: int, fewer: int) -> bool:
        """Tell whether checking ``more`` guesses gives more tokens in the same time, where guesses are mostly right.

        What was never measured is taken to cost as much a guess.
        """
        costs = [self.of_check(fewer)] * 2
        costs[1] = self.of_check(more) if more in self._checked_s else costs[0] * more / fewer
        few, many = ((1 - MOSTLY ** (guesses + 1)) / (1 - MOSTLY) for guesses in (fewer, more))
        return many / (1 + costs[1]) > few / (1 + costs[0])

    def _compare(self) -> None:
        if not self._single_s:
            return
        if self._token_s is not None:
            self.of_token[0] = self._token_s / self._single_s
        if self._checked_s:  # of a few guesses, each costs about the same
            self.of_token[1] = min(self.of_check(guesses) / guesses for guesses in self._checked_s)


def _fastest(before: float | None, seconds: float) -> float:
    return seconds if before is None else min(before * FORGETTING, seconds)
