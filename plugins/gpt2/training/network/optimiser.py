"""AdamW (arXiv 1711.05101) with clipping by the global norm (arXiv 1211.5063): the same on any device of tinygrad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor

from plugins.gpt2.training.network.operations import Tensors

RATE, SHARE, FIRST_FIX, SECOND_FIX = range(4)
"""The places in ``numbers``: learning rate, 1 / accumulated batches, and the corrections of both moments."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The constants of training. ``decay`` applies to matrices only; ``clip`` is the highest norm of a gradient."""

    first: float = 0.9
    second: float = 0.95
    epsilon: float = 1e-8
    decay: float = 0.1
    clip: float = 1.0

    def numbers(self, rate: float, step: int, accumulated: int) -> npt.NDArray[np.float32]:
        """Return what changes from step to step, (4,); ``step`` counts from 0."""
        fixes = 1 / (1 - self.first ** (step + 1)), 1 / (1 - self.second ** (step + 1))
        return np.array([rate, 1 / accumulated, *fixes], np.float32)


def decays(weight: Tensor) -> bool:
    """Return whether a tensor is a matrix: scales, shifts and biases do not decay."""
    return len(weight.shape) == 2


@dataclass(frozen=True, slots=True)
class TinygradAdamW:
    """One update of ``weights`` by tinygrad's own kernels; ``sums`` are accumulated gradients."""

    recipe: Recipe
    weights: Tensors
    sums: Tensors
    first: Tensors
    second: Tensors

    def update(self, numbers: Tensor) -> Tensor:
        """Update in place; return the gradient's norm before it was clipped, (1,). ``numbers`` is of the recipe."""
        recipe = self.recipe
        squares = [each.square().sum() for each in self.sums.values()]
        norm = (Tensor.stack(*squares).sum().sqrt() * numbers[SHARE]).reshape(1).contiguous().realize()
        clip = (recipe.clip / (norm + 1e-6)).minimum(1.0) * numbers[SHARE]
        changed = []
        for name, weight in self.weights.items():
            gradient, m, v = self.sums[name] * clip, self.first[name], self.second[name]
            m.assign(recipe.first * m + (1 - recipe.first) * gradient)
            v.assign(recipe.second * v + (1 - recipe.second) * gradient.square())
            step = m * numbers[FIRST_FIX] / ((v * numbers[SECOND_FIX]).sqrt() + recipe.epsilon)
            if decays(weight):
                step = step + recipe.decay * weight
            weight.assign(weight - numbers[RATE] * step)
            changed += [m, v, weight]
        Tensor.realize(*changed)
        return norm
