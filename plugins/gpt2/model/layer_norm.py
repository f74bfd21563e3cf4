"""Layer normalisation, and the last one, which first picks the slots whose logits somebody wants."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad import Tensor

from plugins.gpt2.model.launcher import Launcher


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """``(x - mean) / sqrt(variance + epsilon) · weight + bias`` over the last axis (arXiv 1607.06450), in fp32.

    ``weight`` and ``bias`` are (E,).
    """

    weight: Tensor
    bias: Tensor
    epsilon: float
    launcher: Launcher

    @property
    def width(self) -> int:
        """E."""
        return int(self.weight.shape[0])

    def __call__(self, x: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Normalise x (B, ≥E) to (B, E); with ``wanted`` int32 (O,) only those slots, to (O, E)."""
        return self.launcher.layer_norm(self, x, wanted)
