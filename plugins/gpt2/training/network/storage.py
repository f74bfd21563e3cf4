"""Where what is trained lies: all weights in one piece of memory, matrices first, and so the gradients and moments.

On a CPU the tensors are views of that memory, so that an optimiser may go through it at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor

from plugins.gpt2.model import device as tiny
from plugins.gpt2.model.cache.page_memory import zeros

ALIGNED = 16
"""Floats that every tensor begins at a multiple of; what is between them stays 0."""


@dataclass(frozen=True, slots=True)
class Part:
    """The weights, or their gradients, or a moment of each. ``memory`` must live as long as the tensors."""

    memory: npt.NDArray[np.float32]
    named: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Storage:
    """What is trained; ``matrices`` numbers of ``count`` belong to matrices, and come first."""

    weights: Part
    sums: Part
    first: Part
    second: Part
    count: int
    matrices: int
    where: str

    @classmethod
    def of(cls, initial: Mapping[str, npt.NDArray[Any]], where: str) -> Storage:
        """Copy ``initial``; all else is 0."""
        places, count, matrices = {}, 0, 0
        for name in sorted(initial, key=lambda name: initial[name].ndim != 2):
            places[name] = count
            count += -(-initial[name].size // ALIGNED) * ALIGNED
            matrices = count if initial[name].ndim == 2 else matrices

        def part(values: Mapping[str, npt.NDArray[Any]]) -> Part:
            memory = zeros((count,), np.dtype(np.float32))
            named = {}
            for name, like in initial.items():
                view = memory[places[name] : places[name] + like.size].reshape(like.shape)
                if name in values:
                    view[...] = values[name]
                named[name] = tiny.place(view, where)
            return Part(memory, named)

        return cls(part(initial), part({}), part({}), part({}), count, matrices, where)
