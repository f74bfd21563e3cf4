"""Layer normalisation, and the last one, which first picks the slots whose logits somebody wants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor, dtypes

from plugins.gpt2.model import device, kernels
from plugins.gpt2.model.layout import Layout


class LayerNorm:
    """``(x - mean) / sqrt(variance + epsilon) · weight + bias`` over the last axis (arXiv 1607.06450), in fp32."""

    def __init__(
        self,
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        epsilon: float,
        layout: Layout,
        where: str,
    ) -> None:
        self.weight = Tensor(weight, device=where).realize()
        self.bias = Tensor(bias, device=where).realize()
        self.width, self.epsilon, self.layout, self.where = len(weight), epsilon, layout, where

    def __call__(self, x: Tensor, slots: Tensor | None = None) -> Tensor:
        """Normalise x (B, ≥E) to (B, E); with ``slots`` int32 (O,) only those rows, to (O, E)."""
        count = int(x.shape[0] if slots is None else slots.shape[0])
        out = Tensor.empty(count, self.width, dtype=dtypes.float32, device=self.where)
        kernel = kernels.layer_norm(self.width, self.epsilon, self.layout, gathered=slots is not None)
        picked = () if slots is None else (slots,)
        return device.run_kernel(out, x, self.weight, self.bias, *picked, kernel=kernel)
