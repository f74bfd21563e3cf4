"""Which stretches of the texts a step learns from, and which are measured with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plugins.gpt2.training.learner import Batch
from plugins.gpt2.training.texts.token_file import Tokens

MOST_MEASURED = 32_768
"""Held-out tokens that a measurement reads, about."""


class Batches:
    """Stretches of ``context`` tokens and the one that follows, ``rows`` at a time.

    What a step learns from depends on its number and the seed alone, so a run that goes on learns what it would have.
    """

    def __init__(self, train: Tokens, held_out: Tokens, rows: int, context: int, seed: int) -> None:
        self._train, self._held_out = train, held_out
        self._rows, self._context, self._seed = rows, context, seed
        self._pass, self._order = -1, np.zeros(0, np.int64)

    def of_step(self, step: int) -> Batch:
        """Return stretches of the texts: each once a pass in a random order, cut elsewhere in each pass."""
        per_pass = max(1, (len(self._train) - 1) // self._context)
        first = step * self._rows
        places = [divmod(number, per_pass) for number in range(first, first + self._rows)]
        return self._stretches(self._train, [int(self._starts(number, per_pass)[at]) for number, at in places])

    def _starts(self, number: int, per_pass: int) -> npt.NDArray[np.int64]:
        """Return where the stretches of a pass begin. The texts are taken as a ring, so that all of them are read."""
        if number != self._pass:
            rng = np.random.default_rng((self._seed, number))
            possible = len(self._train) - self._context
            shift = int(rng.integers(0, possible))
            self._pass, self._order = number, (shift + rng.permutation(per_pass) * self._context) % possible
        return self._order

    def measured(self) -> list[Batch]:
        """Return the held-out stretches, the same each time: one after another, evenly spread where there are many.

        The last batch is filled up with stretches from the beginning.
        """
        last = len(self._held_out) - self._context - 1
        most = max(1, MOST_MEASURED // self._context)
        starts = list(range(0, last + 1, self._context))
        if len(starts) > most:
            starts = [starts[number * len(starts) // most] for number in range(most)]
        starts += starts[: -len(starts) % self._rows]
        while len(starts) % self._rows:
            starts += starts[: self._rows - len(starts) % self._rows]
        return [
            self._stretches(self._held_out, starts[at : at + self._rows]) for at in range(0, len(starts), self._rows)
        ]

    def _stretches(self, tokens: Tokens, starts: list[int]) -> Batch:
        return np.stack([tokens[start : start + self._context + 1] for start in starts]).astype(np.int32)
