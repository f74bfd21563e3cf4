"""What guessing and checking cost on this machine, next to a step without either."""

from __future__ import annotations

import numpy as np

FORGETTING = 1.02
"""Growth of what was fastest with each new time: a quick step long ago says little about now."""
UNMEASURED = 0.4
"""What is taken for the cost of a check until both kinds of step were measured."""
DRAFTING, CHECKING = 0.15, 0.15
"""What is taken for the cost of a token that a draft writes, and of having it checked, until they were measured."""
MOST_GUESSES = 8
FADING = 0.998
"""What is left of a time when another is measured: what was once slow is tried again."""
RENEWED = 32
"""After so many guesses of a draft in a row a step goes without one: what that costs now has to be known."""
MOSTLY = 0.9
"""How likely each token of a guess is right after one that was right to its end."""
LEAST, MOST = 0.05, 4.0
"""A guess costs a little of Python besides; and a first slow step must not end guessing for good."""


class GuessCost:
    """Compares the kinds of step by the fastest of late: only disturbance makes a step slower.

    ``of_guesses`` fp32 is in steps without either: in front what a draft's token costs to write, then what it costs to
    check 1, 2, 3… guesses; as of the last :meth:`compare`.
    """

    def __init__(self) -> None:
        self.of_guesses = np.arange(MOST_GUESSES + 1, dtype=np.float32) * np.float32(CHECKING)
        self.of_guesses[0] = DRAFTING
        self._single_s: float | None = None
        self._checked_s: dict[int, float] = {}
        self._token_s: float | None = None
        self._since_single = RENEWED

    def single(self, seconds: float) -> None:
        """Note a step that made one token of one text."""
        self._single_s = _fastest(self._single_s, seconds)
        self._since_single = 0

    def checked(self, guesses: int, seconds: float) -> None:
        """Note a step that checked so many guesses of one text."""
        for other in self._checked_s:
            self._checked_s[other] *= FADING
        self._checked_s[guesses] = _fastest(self._checked_s.get(guesses), seconds)
        self._since_single += 1

    def drafted(self, tokens: int, seconds: float) -> None:
        """Note that a draft wrote so many tokens in that time."""
        self._token_s = _fastest(self._token_s, seconds / tokens)

    @property
    def wants_single(self) -> bool:
        """Whether a draft should be left alone for a step, to learn what a step without it takes."""
        return self._since_single >= RENEWED

    def of_draft(self, tokens: int, guesses: int) -> float:
        """Return what it costs that a draft wrote so many tokens and so many of them were checked."""
        checking = self.of_guesses[guesses] if guesses else 0.0
        return float(tokens * self.of_guesses[0] + checking)

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

    def compare(self) -> None:
        """Bring ``of_guesses`` up to date; a draft asks for it, and who has none need not wait for it."""
        if not self._single_s or (self._token_s is None and not self._checked_s):
            return
        costs = [DRAFTING if self._token_s is None else self._token_s / self._single_s]
        each = CHECKING
        for guesses in range(1, MOST_GUESSES + 1):  # what was never measured costs as much a guess as fewer of them
            if guesses in self._checked_s:
                each = self.of_check(guesses) / guesses
            costs.append(each * guesses)
        self.of_guesses[:] = costs


def _fastest(before: float | None, seconds: float) -> float:
    return seconds if before is None else min(before * FORGETTING, seconds)
