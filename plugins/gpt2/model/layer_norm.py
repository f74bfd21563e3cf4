"""Layer normalisation, and the last one, which first picks the slots whose logits somebody wants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor

from plugins.gpt2.model.launch import Launcher

Array = npt.NDArray[np.float32]


class LayerNorm:
    """``(x - mean) / sqrt(variance + epsilon) · weight + bias`` over the last axis (arXiv 1607.06450), in fp32."""

    def __init__(self, weight: Array, bias: Array, epsilon: float, launcher: Launcher, where: str) -> None:
        self.weight = Tensor(weight, device=where).realize()
        self.bias = Tensor(bias, device=where).realize()
        self.width, self.epsilon, self.launcher = len(weight), epsilon, launcher

    def __call__(self, x: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Normalise x (B, ≥E) to (B, E); with ``wanted`` int32 (O,) only those slots, to (O, E)."""
        return self.launcher.layer_norm(self, x, wanted)
