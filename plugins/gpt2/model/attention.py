"""Causal self-attention over a KV cache whose rows belong to different texts."""

from __future__ import annotations

from tinygrad import Tensor, dtypes
from tinygrad.dtype import DType

from plugins.gpt2.model import device, kernels
from plugins.gpt2.model.layout import Layout
from plugins.gpt2.model.linear import Linear


class KVCache:
    """Keys and values of one block: ``rows`` texts of up to ``positions`` tokens, zero at first.

    Keys are (rows, H, T/P, D, P), so that the scores of P positions are one vector; values are (rows, H, T, D). They
    must start as numbers: a masked weight of 0 times NaN would still be NaN.
    """

    def __init__(
        self, rows: int, heads: int, size: int, positions: int, dtype: DType, layout: Layout, where: str
    ) -> None:
        self.blocks = -(-positions // layout.positions)
        length = self.blocks * layout.positions
        keys = (rows, heads, self.blocks, size, layout.positions)
        self.keys = Tensor.zeros(*keys, dtype=dtype, device=where).contiguous().realize()
        self.values = Tensor.zeros(rows, heads, length, size, dtype=dtype, device=where).contiguous().realize()


class Attention:
    """``softmax(q kᵀ / sqrt(D)) v`` per head (arXiv 1706.03762), between two projections.

    ``qkv`` makes (B, 3E) in the order q, k, v; ``projection`` brings (B, E) back and adds the residual.
    """

    def __init__(
        self, qkv: Linear, projection: Linear, heads: int, size: int, cache: KVCache, layout: Layout
    ) -> None:
        self.qkv, self.projection, self.cache, self.layout = qkv, projection, cache, layout
        self.heads, self.size = heads, size

    def __call__(self, x: Tensor, inputs: Tensor, residual: Tensor) -> Tensor:
        """Return residual + attention(x); x (B, E), inputs int32 (3, B): tokens, positions, rows."""
        slots, where, layout = int(x.shape[0]), str(x.device), self.layout
        heads, size, cache = self.heads, self.size, self.cache
        blocks = kernels.attended_blocks(layout.positions, cache.blocks)
        qkv = self.qkv(x)
        keys = device.run_kernel(cache.keys, qkv, inputs, kernel=kernels.write_keys(heads, size, layout))
        values = device.run_kernel(cache.values, qkv, inputs, kernel=kernels.write_values(heads, size, layout))

        def empty(*shape: int) -> Tensor:
            return Tensor.empty(*shape, dtype=dtypes.float32, device=where)

        shape = (slots, heads, cache.blocks, layout.positions)
        scoring = kernels.attention_scores(heads, size, layout, blocks)
        scores = device.run_kernel(empty(*shape), qkv, keys, inputs, kernel=scoring)
        weights = device.run_kernel(empty(*shape), scores, kernel=kernels.softmax(heads, layout, blocks))
        mixing = kernels.attention_mix(heads, size, layout, blocks)
        mixed = device.run_kernel(empty(slots, heads * size), weights, values, inputs, kernel=mixing)
        return self.projection(mixed, residual)
