"""Causal self-attention over a KV cache whose rows belong to different texts."""

from __future__ import annotations

import numpy as np
from tinygrad import Tensor

from plugins.gpt2.model import device
from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.launch import Launcher
from plugins.gpt2.model.layout import Layout
from plugins.gpt2.model.linear import Linear
from plugins.gpt2.model.packing import STORED
from plugins.gpt2.model.pages import zeros


class KVCache:
    """Keys and values of one block: ``rows`` texts of up to ``positions`` tokens, zero at first.

    Keys are (rows, H, T/P, D, P), so that the scores of P positions are one vector; values are (rows, H, T, D). They
    must start as numbers: a masked weight of 0 times NaN would still be NaN.
    """

    def __init__(
        self, rows: int, heads: int, size: int, positions: int, weights: Weights, layout: Layout, where: str
    ) -> None:
        self.heads, self.size, self.weights = heads, size, weights
        self.blocks = -(-positions // layout.positions)
        length, dtype = self.blocks * layout.positions, np.dtype(STORED[weights][1])
        shapes = (rows, heads, self.blocks, size, layout.positions), (rows, heads, length, size)
        # On a CPU the tensors lie in these arrays.
        self.key_array, self.value_array = (zeros(shape, dtype) for shape in shapes)
        self.keys, self.values = (device.place(array, where) for array in (self.key_array, self.value_array))


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
