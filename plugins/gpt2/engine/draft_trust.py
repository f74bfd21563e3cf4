"""How often a draft's guesses are right, by how sure it was of them: learnt while it guesses."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence

import numpy as np

EDGES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""Between these chances that the draft gave its guess lie those that are judged together."""
AT_FIRST = 0.7
"""Believed of every guess until it was tried: what is never tried is never learnt."""
MEMORY = 0.95
"""How much of what was believed each outcome leaves."""


class DraftTrust:
    """Tells how likely a draft's guess is right; ``edges`` and ``believed`` are as ``Promise`` has them."""

    def __init__(self) -> None:
        self.edges = np.array(EDGES, np.float32)
        self.believed = np.full(len(EDGES) + 1, AT_FIRST, np.float32)

    def of(self, chance: float) -> float:
        """Return how likely a guess is right to which the draft gave this chance."""
        return float(self.believed[bisect(EDGES, chance)])

    def learn(self, chances: Sequence[float], right: int) -> None:
        """Note that of guesses with these chances the first ``right`` were right, and the next one was not."""
        for chance in chances[: right + 1]:
            place = bisect(EDGES, chance)
            self.believed[place] = MEMORY * self.believed[place] + (1 - MEMORY) * (right > 0)
            right -= 1
