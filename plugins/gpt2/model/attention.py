"""Causal self-attention over a KV cache whose rows belong to different texts."""

from __future__ import annotations

from tinygrad import Tensor

from plugins.gpt2.model.kv_cache import KVCache
from plugins.gpt2.model.launcher import Launcher
from plugins.gpt2.model.linear import Linear


class Attention:
    """``softmax(q kᵀ / sqrt(D)) v`` per head (arXiv 1706.03762), between two projections.

    ``qkv`` makes (B, 3E) in the order q, k, v; ``projection`` brings (B, E) back and adds the residual.
    """

    def __init__(self, qkv: Linear, projection: Linear, cache: KVCache, launcher: Launcher) -> None:
        self.qkv, self.projection, self.cache, self.launcher = qkv, projection, cache, launcher

    def __call__(self, x: Tensor, inputs: Tensor, residual: Tensor) -> Tensor:
        """Return residual + attention(x); x (B, E), inputs int32 (3, B): tokens, positions, rows."""
        mixed = self.launcher.attention(self.cache, self.qkv(x), inputs)
        return self.projection(mixed, residual)
