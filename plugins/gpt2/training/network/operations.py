"""What a differentiable GPT-2 asks of a device, and the answer that any of tinygrad's devices can give.

M is the number of tokens of a batch, rows × T; x is always (M, E). ``cpu.operations`` has the same on kernels in C.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from tinygrad import Tensor, dtypes

from plugins.gpt2.model.constants import Activation

Tensors = Mapping[str, Tensor]


class Operations(Protocol):
    """The operations of the network; tinygrad's autograd knows the gradient of each."""

    def embed(self, tokens: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
        """Return token plus position embeddings (M, E) of int32 (rows, T)."""
        ...

    def norm(self, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        """Return x normalised over its last axis, times ``weight``, plus ``bias``."""
        ...

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None) -> Tensor:
        """Return ``x @ weight + bias + residual``, (M, N) with weight (K, N)."""
        ...

    def activate(self, x: Tensor, kind: Activation) -> Tensor:
        """Return the activation of each value."""
        ...

    def attention(self, qkv: Tensor, rows: int, heads: int, factor: float) -> Tensor:
        """Return what each token reads of those before it and of itself, (M, E); queries are times ``factor``."""
        ...

    def nats(self, x: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy of ``targets``, int32 (rows, T), given ``x @ head.T``; head is (V, E)."""
        ...

    def gradients(self, loss: Tensor, weights: Tensors, sums: Tensors, kept: Tensor) -> list[Tensor]:
        """Return what is to be realized so that ``sums`` are ``kept`` (0 or 1) times themselves plus the gradients."""
        ...


class TinygradOperations:
    """:class:`Operations` by tinygrad's own kernels."""

    def embed(self, tokens: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
        """See :class:`Operations`."""
        return (wte[tokens] + wpe[: tokens.shape[1]]).reshape(-1, wte.shape[1])

    def norm(self, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        """See :class:`Operations`."""
        return x.layernorm(eps=epsilon) * weight + bias

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None) -> Tensor:
        """See :class:`Operations`."""
        y = x.dot(weight)
        y = y if bias is None else y + bias
        return y if residual is None else (y + residual).contiguous()

    def activate(self, x: Tensor, kind: Activation) -> Tensor:
        """See :class:`Operations`."""
        if kind == "gelu":
            return 0.5 * x * (1.0 + (x * math.sqrt(0.5)).erf())
        known = {"gelu_new": "gelu", "quick_gelu": "quick_gelu", "relu": "relu", "silu": "silu", "tanh": "tanh"}
        made: Tensor = getattr(x, known[kind])()
        return made

    def attention(self, qkv: Tensor, rows: int, heads: int, factor: float) -> Tensor:
        """See :class:`Operations`."""
        width, length = int(qkv.shape[1]) // 3, int(qkv.shape[0]) // rows
        q, k, v = qkv.reshape(rows, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        seen = (q * factor).scaled_dot_product_attention(k, v, is_causal=True)
        return seen.transpose(1, 2).reshape(rows * length, width)

    def nats(self, x: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        """See :class:`Operations`."""
        logits = x.dot(head.transpose()).cast(dtypes.float32)
        return logits.sparse_categorical_crossentropy(targets.reshape(-1))

    def gradients(self, loss: Tensor, weights: Tensors, sums: Tensors, kept: Tensor) -> list[Tensor]:
        """See :class:`Operations`."""
        found = loss.gradient(*weights.values())
        return [sums[name].assign(sums[name] * kept + one) for name, one in zip(weights, found, strict=True)]
