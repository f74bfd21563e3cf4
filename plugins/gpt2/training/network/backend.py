"""What trains on a device: kernels in C on a CPU, tinygrad's own anywhere else, and where no compiler takes the C."""

from __future__ import annotations

import logging
import subprocess
from dataclasses import dataclass
from typing import Protocol

from tinygrad import Tensor

from plugins.gpt2.model import device as tiny
from plugins.gpt2.model.build import usable_cores
from plugins.gpt2.model.cpu.graph import use_graph
from plugins.gpt2.model.target import compiler
from plugins.gpt2.model.target.device_names import CPU, is_cpu
from plugins.gpt2.training.cpu.operations import COperations
from plugins.gpt2.training.cpu.optimiser import CAdamW
from plugins.gpt2.training.cpu.products import Product, Tile, tile_for
from plugins.gpt2.training.network.operations import Operations, TinygradOperations
from plugins.gpt2.training.network.optimiser import Recipe, TinygradAdamW
from plugins.gpt2.training.network.storage import Storage
from plugins.gpt2.training.precision import Precision

log = logging.getLogger("townhall.gpt2.training")


class Optimiser(Protocol):
    """Changes weights by the gradients that were added up."""

    def update(self, numbers: Tensor) -> Tensor:
        """Update in place; return the gradient's norm before it was clipped, (1,)."""
        ...


class Backend(Protocol):
    """Makes what a trainer needs; ``where`` is a device of tinygrad."""

    where: str

    def operations(self, storage: Storage, kept: Tensor) -> Operations:
        """Return the operations whose gradients are added to ``kept`` (0 or 1) times the storage's sums."""
        ...

    def optimiser(self, recipe: Recipe, storage: Storage) -> Optimiser:
        """Return what updates the storage's weights."""
        ...


@dataclass(slots=True)
class TinygradBackend:
    """tinygrad's own kernels."""

    where: str

    def operations(self, storage: Storage, kept: Tensor) -> Operations:
        """See :class:`Backend`."""
        return TinygradOperations()

    def optimiser(self, recipe: Recipe, storage: Storage) -> Optimiser:
        """See :class:`Backend`."""
        parts = storage.weights, storage.sums, storage.first, storage.second
        return TinygradAdamW(recipe, *(part.named for part in parts))


@dataclass(slots=True)
class CBackend:
    """Kernels in C, on a team of threads."""

    where: str
    tile: Tile
    threads: int

    def operations(self, storage: Storage, kept: Tensor) -> Operations:
        """See :class:`Backend`."""
        return COperations(self.tile, self.threads, self.where, storage.weights.named, storage.sums.named, kept)

    def optimiser(self, recipe: Recipe, storage: Storage) -> Optimiser:
        """See :class:`Backend`."""
        return CAdamW(recipe, storage)


def backend_for(
    device: str | None, threads: int | None, *, plain: bool = False, precision: Precision = "fp32"
) -> Backend:
    """Return what trains on ``device``, None being the one that tinygrad chooses; on a CPU with ``threads`` threads.

    ``precision`` is that of the products' operands; bf16 is for kernels in C on a processor that multiplies it.
    """
    where = device or tiny.default_device() or CPU
    if plain or not is_cpu(where):
        return TinygradBackend(where)
    tile = tile_for(compiler.vector_bits(), precision)
    count = threads or usable_cores()
    try:
        use_graph(count)
        tiny.load_c("product_of", Product(1, 1, 1).source("product_of", tile))
    except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
        log.warning("the C kernels cannot run here (%s); training on tinygrad's own, which are far slower", error)
        return TinygradBackend(where)
    return CBackend(where, tile, count)
