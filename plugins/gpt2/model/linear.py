"""A matrix as the kernels want it: packed, narrowed, with what follows the product folded in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor

from plugins.gpt2.model import device, kernels
from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.launch import Launcher

Array = npt.NDArray[np.float32]


def quantise(packed: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """Return int8 values and the scale of each column of a packed (N/L, K, L) matrix: symmetric, scale = max|w|/127.

    A column of zeros gets scale 1, so that nothing is divided by zero.
    """
    peak = np.abs(packed).max(axis=1)
    scale = np.where(peak > 0, peak / 127, 1).astype(np.float32)
    return np.rint(packed / scale[:, None, :]).astype(np.int8), scale


class Linear:
    """``activation(x @ W + bias) + residual``, one launch.

    Takes W (K, N) and the bias (N,) in fp32; keeps W as (N/L, K, L) in ``weights``. Calls take x (B, ≥K) and return
    (B, N padded to whole blocks).
    """

    def __init__(
        self,
        name: str,
        matrix: Array,
        bias: Array | None,
        *,
        weights: Weights,
        launcher: Launcher,
        where: str,
        activation: kernels.Epilogue = "none",
    ) -> None:
        self.name, self.weights, self.launcher, self.activation = name, weights, launcher, activation
        self.inputs = matrix.shape[0]
        packed = launcher.layout.pack(matrix)
        self.blocks = packed.shape[0]
        self.scale: Tensor | None = None
        if weights == "int8":
            values, scale = quantise(packed)
            self.weight = Tensor(values, device=where).realize()
            self.scale = Tensor(scale, device=where).realize()
        else:
            self.weight = device.upload(packed, weights, where)
        self.bias = None if bias is None else Tensor(launcher.layout.pack_vector(bias), device=where).realize()

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """The matrix, then its scales and its bias where it has them: what a product reads."""
        return (self.weight, *(part for part in (self.scale, self.bias) if part is not None))

    @property
    def nbytes(self) -> int:
        """Bytes that one product reads of the operands."""
        return sum(part.nbytes() for part in self.operands)

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Return (B, padded N); ``residual`` (B, padded N) is added last."""
        return self.launcher.linear(self, x, residual)
