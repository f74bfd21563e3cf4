"""What the network asks of a device: four launches, whatever kernels are behind them.

``launch_uop.UOpLauncher`` uses the kernels of ``kernels.py`` on any device of tinygrad, ``cpu.launcher.CLauncher``
those of ``cpu/`` on a CPU. What they are handed is described here by its shape: they need not know the network.
"""

from __future__ import annotations

from typing import Protocol

from tinygrad import Tensor, UOp

from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.kernels import Epilogue
from plugins.gpt2.model.kv_cache import KVCache
from plugins.gpt2.model.layout import Layout


class Matrix(Protocol):
    """A matrix W (K, N) in blocks of L columns, and what follows the product: a ``Linear``."""

    @property
    def name(self) -> str:
        """What its kernels are called."""
        ...

    @property
    def weight(self) -> Tensor:
        """(N/L, K/depth, L·depth); of int4 as ``Layout.nibbles`` has it."""
        ...

    @property
    def scale(self) -> Tensor | None:
        """(N/L, L), with int8 and int4."""
        ...

    @property
    def bias(self) -> Tensor | None:
        """(N/L, L), where there is one."""
        ...

    @property
    def weights(self) -> Weights:
        """How ``weight`` is kept."""
        ...

    @property
    def activation(self) -> Epilogue:
        """What is applied to the sum."""
        ...

    @property
    def feeds_product(self) -> bool:
        """Whether the result is what another matrix multiplies, and nothing else."""
        ...

    @property
    def floor(self) -> float | None:
        """How far below zero the 8-bit rows go that lie between two products; None where there are none."""
        ...

    @property
    def blocks(self) -> int:
        """N/L."""
        ...

    @property
    def inputs(self) -> int:
        """K."""
        ...

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """What a product reads: the matrix, then its steps, its scales and its bias where it has them."""
        ...


class Norm(Protocol):
    """The parameters of a layer normalisation over E values: a ``LayerNorm``."""

    @property
    def weight(self) -> Tensor:
        """(E,)."""
        ...

    @property
    def bias(self) -> Tensor:
        """(E,)."""
        ...

    @property
    def epsilon(self) -> float:
        """What is added to the variance."""
        ...

    @property
    def width(self) -> int:
        """E."""
        ...


class Launcher(Protocol):
    """Sizes as in ``kernels.py``: B slots, O wanted ones, E width; inputs int32 (3, B): tokens, positions, rows.

    What goes from a layer norm, an attention or an activation into a product is the launcher's own affair: fp32 as said
    here, or quantised rows (``cpu/quantised_rows.py``).
    """

    layout: Layout

    @property
    def cached(self) -> Weights:
        """How keys and values are kept where weights are narrower than fp32."""
        ...

    def embed(self, wte: Matrix, wpe: Tensor, inputs: Tensor) -> Tensor:
        """Return token plus position embeddings (B, padded E)."""
        ...

    def layer_norm(self, norm: Norm, x: Tensor, wanted: Tensor | None) -> Tensor:
        """Return x (B, ≥E) normalised to (B, E), or only the ``wanted`` slots, (O, E)."""
        ...

    def linear(self, linear: Matrix, x: Tensor, residual: Tensor | None) -> Tensor:
        """Return ``activation(x @ W + bias) + residual``, (B, padded N)."""
        ...

    def attention(self, cache: KVCache, qkv: Tensor, inputs: Tensor) -> Tensor:
        """Write the slots' keys and values, return what each slot reads of its row, (B, E)."""
        ...

    def attended(self, cache: KVCache, last: int) -> UOp:
        """Return what a step is called with when ``last`` is the highest position in it."""
        ...
