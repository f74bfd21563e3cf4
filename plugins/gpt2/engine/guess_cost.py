"""What checking a guess costs on this machine, next to a step without one."""

from __future__ import annotations

import numpy as np

MOST_GUESSES = 16
FORGETTING = 1.02
"""Growth of what was fastest with each new time: a quick step long ago says little about now."""
UNMEASURED = 0.4
"""What is taken for the worth of a guess until both kinds of step were measured."""
RENEWED = 32
"""After so many guesses of a draft in a row a step goes without one: what that costs now has to be known."""
OF_A_GUESS = 0.3
"""What is taken for the cost of each guess of a draft until some were measured."""
LEAST, MOST = 0.05, 4.0
"""A guess costs a little of Python besides; and a first slow step must not end guessing for good."""


class GuessCost:
    """Compares the kinds of step by the fastest of late: only disturbance makes a step slower.

    ``of_drafts`` fp32 (n,) is :meth:`of_draft` of 0, 1, 2… guesses.
    """

    def __init__(self) -> None:
        self.of_drafts = np.arange(MOST_GUESSES + 1, dtype=np.float32) * np.float32(OF_A_GUESS)
        self._single_s: float | None = None
        self._checked_s: dict[int, float] = {}
        self._drafted_s: dict[int, float] = {}
        self._since_single = RENEWED

    def single(self, seconds: float) -> None:
        """Note a step that made one token of one text."""
        self._single_s = _fastest(self._single_s, seconds)
        self._since_single = 0
        for guesses in self._drafted_s:
            self._compare(guesses)

    def checked(self, guesses: int, seconds: float) -> None:
        """Note a step that checked so many guesses of one text."""
        self._checked_s[guesses] = _fastest(self._checked_s.get(guesses), seconds)

    def drafted(self, guesses: int, seconds: float) -> None:
        """Note a step that checked so many guesses of a draft model, perhaps none; its guessing counts."""
        first = guesses not in self._drafted_s
        self._drafted_s[guesses] = _fastest(self._drafted_s.get(guesses), seconds)
        self._since_single += 1
        self._compare(guesses)
        if first and guesses and self._single_s:
            for other in range(1, MOST_GUESSES + 1):  # so it is with the others, as long as nobody knows better
                if other not in self._drafted_s:
                    self.of_drafts[other] = self.of_drafts[guesses] * other / guesses

    @property
    def wants_single(self) -> bool:
        """Whether a draft should be left alone for a step, to learn what a step without it takes."""
        return self._since_single >= RENEWED

    def of_draft(self, guesses: int) -> float:
        """Return what a step with so many guesses of a draft costs more than one without, in such steps."""
        return float(self.of_drafts[guesses])

    def _compare(self, guesses: int) -> None:
        if self._single_s:
            self.of_drafts[guesses] = max(self._drafted_s[guesses] / self._single_s - 1, 0.0)

    def of_check(self, guesses: int) -> float:
        """Return what checking so many guesses costs, in steps: as many must be right on average for it to pay."""
        if not self._single_s or guesses not in self._checked_s:
            return UNMEASURED
        return min(max(self._checked_s[guesses] / self._single_s - 1, LEAST), MOST)


def _fastest(before: float | None, seconds: float) -> float:
    return seconds if before is None else min(before * FORGETTING, seconds)
