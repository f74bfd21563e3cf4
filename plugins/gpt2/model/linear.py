"""A matrix as the kernels want it, with everything that follows the product folded in."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad import Tensor

from plugins.gpt2.model import kernels
from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.launcher import Launcher


@dataclass(frozen=True, slots=True)
class Linear:
    """``activation(x @ W + bias) + residual``, one launch.

    ``weight`` is W (K, N) packed as (N/L, K/depth, L·depth), see ``layout.py``; ``scale`` (N/L, L) comes with int8 and
    int4, ``steps`` (N/L, K/32, L) with int4 (``packing.quantise_groups``), ``bias`` is (N/L, L) or None. Calls take
    x (B, ≥K) and return (B, N padded to whole blocks).
    """

    name: str
    weight: Tensor
    scale: Tensor | None
    bias: Tensor | None
    weights: Weights
    launcher: Launcher
    activation: kernels.Epilogue = "none"
    feeds_product: bool = False
    """Whether the result is what another matrix multiplies, and nothing else."""
    steps: Tensor | None = None
    rows: int | None = None
    """K, which the shape of int4 weights does not tell."""

    floor: float | None = None
    """``packing.floor_of``: the rows between this product and the one before or behind it have 8 bits."""

    @property
    def blocks(self) -> int:
        """N/L."""
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        """K, as stored: in whole steps of the layout's depth; as it is with int4."""
        return self.rows or int(self.weight.shape[1]) * self.launcher.layout.depth

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """The matrix, then its steps, its scales and its bias where it has them: what a product reads."""
        return (self.weight, *(part for part in (self.steps, self.scale, self.bias) if part is not None))

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Return (B, padded N); ``residual`` (B, padded N) is added last."""
        return self.launcher.linear(self, x, residual)
