"""AdamW in C: one pass over all that is trained."""

from __future__ import annotations

from tinygrad import Tensor, dtypes

from plugins.gpt2.model import device
from plugins.gpt2.training.cpu import rows as kernels
from plugins.gpt2.training.cpu.operations import chunks, launch
from plugins.gpt2.training.network.optimiser import Recipe
from plugins.gpt2.training.network.storage import Storage


class CAdamW:
    """See :class:`~plugins.gpt2.training.network.backend.Optimiser`."""

    def __init__(self, recipe: Recipe, storage: Storage) -> None:
        self.recipe, self.storage = recipe, storage
        parts = storage.weights, storage.first, storage.second, storage.sums
        self._whole = [device.place(part.memory, storage.where) for part in parts]

    def update(self, numbers: Tensor) -> Tensor:
        """Update in place; return the gradient's norm before it was clipped, (1,)."""
        storage, pieces = self.storage, chunks(self.storage.count, kernels.PIECE)
        weights, first, second, sums = self._whole
        squares, told = (Tensor.empty(size, dtype=dtypes.float32, device=storage.where) for size in (pieces, 1))
        squares = launch(kernels.squares(storage.count), pieces, squares, sums)[0]
        source = kernels.adamw(storage.count, storage.matrices, pieces, self.recipe)
        made = launch(source, pieces, weights, first, second, told, sums, squares, numbers, outputs=4)
        return made[3].realize()
