"""The feed-forward network of a block: out to the inner width, the activation, and back."""

from __future__ import annotations

from tinygrad import Tensor

from plugins.gpt2.model.linear import Linear


class FeedForward:
    """``contract(activation(expand(x))) + residual``; the activation is folded into ``expand``."""

    def __init__(self, expand: Linear, contract: Linear) -> None:
        self.expand, self.contract = expand, contract

    def __call__(self, x: Tensor, residual: Tensor) -> Tensor:
        """Return (B, E) from x (B, E) and the residual (B, E)."""
        return self.contract(self.expand(x), residual)
