"""How often a draft's guesses are right, by how sure it was of them: learnt while it guesses."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence

import numpy as np

EDGES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Between these lie guesses of which the draft was as sure: they are judged together."""
AT_FIRST = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
"""Believed until it was tried: somewhat more than it says. What is never tried is never learnt."""
MEMORY = 0.95
"""How much of what was believed each outcome leaves."""


class DraftTrust:
    """Tells how likely a draft's guess is right; ``edges`` and ``believed`` are as ``Promise`` has them."""

    def __init__(self) -> None:
        self.edges = np.array(EDGES, np.float32)
        self.believed = np.array(AT_FIRST, np.float32)

    def of(self, sure: float) -> float:
        """Return how likely a guess is right of which the draft was so sure."""
        return float(self.believed[bisect(EDGES, sure)])

    def learn(self, sure: Sequence[float], right: int) -> None:
        """Note that of guesses of which it was so sure the first ``right`` were right, and the next one was not."""
        for each in sure[: right + 1]:
            place = bisect(EDGES, each)
            self.believed[place] = MEMORY * self.believed[place] + (1 - MEMORY) * (right > 0)
            right -= 1
