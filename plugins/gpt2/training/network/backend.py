"""What trains on a device: kernels in C on a CPU, tinygrad's own anywhere else, and where no compiler takes the C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tinygrad import Tensor

from plugins.gpt2.model import device as tiny
from plugins.gpt2.model.target.device_names import CPU
from plugins.gpt2.training.network.operations import Operations, Tensors, TinygradOperations
from plugins.gpt2.training.network.optimiser import Recipe, TinygradAdamW


class Optimiser(Protocol):
    """Changes weights by the gradients that were added up."""

    def update(self, numbers: Tensor) -> Tensor:
        """Update in place; return the gradient's norm before it was clipped, (1,)."""
        ...


class Backend(Protocol):
    """Makes what a trainer needs; ``where`` is a device of tinygrad."""

    where: str

    def operations(self, weights: Tensors, sums: Tensors) -> Operations:
        """Return the operations whose gradients of ``weights`` go to ``sums``."""
        ...

    def optimiser(self, recipe: Recipe, weights: Tensors, sums: Tensors, first: Tensors, second: Tensors) -> Optimiser:
        """Return what updates ``weights``, with both moments."""
        ...


@dataclass(slots=True)
class TinygradBackend:
    """tinygrad's own kernels."""

    where: str

    def operations(self, weights: Tensors, sums: Tensors) -> Operations:
        """See :class:`Backend`."""
        return TinygradOperations()

    def optimiser(self, recipe: Recipe, weights: Tensors, sums: Tensors, first: Tensors, second: Tensors) -> Optimiser:
        """See :class:`Backend`."""
        return TinygradAdamW(recipe, weights, sums, first, second)


def backend_for(device: str | None, threads: int | None, *, plain: bool = False) -> Backend:
    """Return what trains on ``device``, None being the one that tinygrad chooses."""
    return TinygradBackend(device or tiny.default_device() or CPU)
