"""What a run needs of whatever learns, and the learning rate that it goes by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Batch = npt.NDArray[np.int32]
"""(rows, context + 1): each token but the last is followed by its target."""
Arrays = Mapping[str, npt.NDArray[Any]]

WARM_UP_STEPS = 20
LOWEST = 0.1
"""Share of the highest rate at the end."""


class Result(Protocol):
    """How a step went: nats a token, before it."""

    @property
    def loss(self) -> float:
        """Mean cross entropy of the batch."""
        ...


class Learner(Protocol):
    """``plugins.gpt2.training.trainer.Trainer``; tests bring their own."""

    def step(self, tokens: Batch) -> Result:
        """Learn from a batch."""
        ...

    def loss(self, tokens: Batch) -> float:
        """Return nats a token, without learning."""
        ...

    def weights(self) -> Arrays:
        """Return the weights under the checkpoint's names."""
        ...

    def state(self) -> Arrays:
        """Return all that going on takes."""
        ...

    def load_state(self, state: Arrays) -> None:
        """Go on from a state."""
        ...


class Pace:
    """A learning rate that warms up by steps and falls as a cosine by ``progress``, the share of the run that is over.

    A run ends when its time is over, so nobody knows its number of steps beforehand.
    """

    def __init__(self, highest: float, warm_up: int = WARM_UP_STEPS) -> None:
        self.highest, self.progress = highest, 0.0
        self._warm_up = warm_up

    def rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        cosine = (1 + math.cos(math.pi * min(1.0, self.progress))) / 2
        return self.highest * min(1.0, (step + 1) / self._warm_up) * (LOWEST + (1 - LOWEST) * cosine)
