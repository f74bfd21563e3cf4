"""The learning rate of a step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """Tells the learning rate of a step, counted from 0."""

    def rate(self, step: int) -> float:
        """Return it."""
        ...


@dataclass(frozen=True, slots=True)
class Cosine:
    """Rises to ``highest`` in ``warm_up`` steps and falls as half a cosine to ``lowest``, a share, at ``steps``."""

    highest: float
    steps: int
    warm_up: int = 0
    lowest: float = 0.1

    def rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0; past the end it stays the lowest."""
        if step < self.warm_up:
            return self.highest * (step + 1) / self.warm_up
        over = min(1.0, (step - self.warm_up) / max(1, self.steps - self.warm_up))
        return self.highest * (self.lowest + (1 - self.lowest) * (1 + math.cos(math.pi * over)) / 2)
