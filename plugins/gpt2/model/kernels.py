"""The kernels of GPT-2, written in tinygrad's UOps: one function each, from index arithmetic to a launch.

Everything works on *slots*: a slot is one token of one text, ``B`` of them go through the model together. Slot ``b``
stands at ``positions[b]`` of the KV cache's row ``rows[b]``. Decoding fills the slots from different rows, prefill from
neighbouring positions of one row; the kernels cannot tell the difference.

Sizes: B slots, E width, H heads, D head size, T context, V vocabulary. A *block* is ``LANES`` neighbouring columns that
lie together in memory, so that one vector instruction reads them (see ``layout.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from tinygrad import UOp, dtypes

from plugins.gpt2.model.constants import Activation
from plugins.gpt2.model.device import ADD, MAX, REDUCE, kernel_of
from plugins.gpt2.model.layout import Layout, largest_tile

Epilogue = Activation | Literal["none"]
LOG2_E = math.log2(math.e)


def attended_blocks(positions_per_block: int, blocks: int, value: int | None = None) -> UOp:
    """Return the number of blocks of positions that any slot attends to, 1…``blocks``.

    Without a value it is the symbol that kernels use, with one it is what a step is called with.
    """
    name = f"attended_blocks_of_{positions_per_block}"
    if value is None:
        return UOp.variable(name, 1, blocks, param=True)
    return UOp.variable(name, 1, blocks).bind(value)


def widen(stored: UOp) -> UOp:
    """Return a stored weight as fp32; uint16 holds the bits of a bf16."""
    if stored.dtype == dtypes.uint16:
        return (stored.cast(dtypes.uint32) * 65536).bitcast(dtypes.float)
    return stored.cast(dtypes.float)


def nibble(stored: UOp, row: UOp) -> UOp:
    """Return the weight of 4 bits that lies in a byte for ``row``: even rows in the low half."""
    half = (stored.cast(dtypes.int) >> (row % 2 * 4)) & 15
    return (half < 8).where(half, half - 16)


def _exp(x: UOp) -> UOp:
    return (x * LOG2_E).exp2()


def _erf(x: UOp) -> UOp:
    """Abramowitz and Stegun 7.1.26, |error| < 1.5e-7."""
    t = 1.0 / (1.0 + 0.3275911 * x.maximum(-x))
    tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    y = 1.0 - tail * _exp(-(x * x))
    return (x < 0).where(-y, y)


def activate(x: UOp, kind: Epilogue) -> UOp:
    """Apply an activation.

    gelu_new, the tanh form that GPT-2 uses, gelu, quick_gelu and silu are of Hendrycks and Gimpel (arXiv 1606.08415).
    """
    if kind == "gelu_new":
        inner = x * (1.0 + 0.044715 * (x * x)) * (2.0 * math.sqrt(2.0 / math.pi))
        return x / (1.0 + _exp(-inner))  # tanh(z) = 2·sigmoid(2z) - 1
    if kind == "gelu":
        return 0.5 * x * (1.0 + _erf(x * math.sqrt(0.5)))
    if kind in ("quick_gelu", "silu"):
        return x / (1.0 + _exp(x * (-1.702 if kind == "quick_gelu" else -1.0)))
    if kind == "tanh":
        return 2.0 / (1.0 + _exp(-2.0 * x)) - 1.0
    return x.maximum(x.const_like(0.0)) if kind == "relu" else x


def matmul(
    name: str,
    k: int,
    layout: Layout,
    *,
    scaled: bool,
    biased: bool,
    residual: bool,
    activation: Epilogue = "none",
    group: int | None = None,
) -> Callable[..., UOp]:
    """Return the kernel of ``out = activation(x @ W · scale + bias) + residual``.

    Shapes: out (B, N/L, L), x (B, ≥k), W (N/L, k, L), then those asked for: scale (N/L, L), bias (N/L, L),
    residual (B, N/L, L). L is the layout's number of lanes, k the length of the sum. With ``group`` weights have 4
    bits, (N/L, ≥k/2, L), and their steps, int8 (N/L, ≥k/group, L), come next.
    """

    def kernel(out: UOp, x: UOp, weight: UOp, *rest: UOp) -> UOp:
        extra, slots, blocks = list(rest), out.shape[0], out.shape[1]
        n, lane, b = UOp.range(blocks, 0), UOp.range(layout.lanes, 1), UOp.range(slots, 2)
        i = UOp.range(k, 3, REDUCE)
        factor = widen(weight[n, i, lane] if group is None else nibble(weight[n, i // 2, lane], i))
        if group is not None:
            factor = factor * widen(extra.pop(0)[n, i // group, lane])
        value = (x[b, i] * factor).reduce(i, arg=ADD)
        if scaled:
            value = value * extra.pop(0)[n, lane]
        if biased:
            value = value + extra.pop(0)[n, lane]
        value = activate(value, activation)
        if residual:
            value = value + extra.pop(0)[b, n, lane]
        upcasts = layout.upcasts((blocks, layout.lanes, slots), ((1, layout.lanes),))
        return kernel_of(name, out[b, n, lane].store(value), n, lane, b, upcasts=upcasts)

    return kernel


def embed(width: int, positions: int, layout: Layout, *, scaled: bool) -> Callable[..., UOp]:
    """Return the kernel of ``out[b] = wte[token[b]] · scale[token[b]] + wpe[position[b]]``.

    Shapes: out (B, ≥E), inputs int32 (3, B) holding tokens, positions and rows, wte (V/L, E, L), wpe (T, E),
    scale (V/L, L). A position past the table (a padded slot) reads its last row.
    """

    def kernel(out: UOp, inputs: UOp, wte: UOp, wpe: UOp, *scale: UOp) -> UOp:
        b, e = UOp.range(out.shape[0], 0), UOp.range(width, 1)
        token, position = inputs[0, b], inputs[1, b].minimum(inputs[1, b].const_like(positions - 1))
        block, lane = token // layout.lanes, token % layout.lanes
        value = widen(wte[block, e, lane])
        if scaled:
            value = value * scale[0][block, lane]
        value = value + wpe[position, e]
        return kernel_of("embed", out[b, e].store(value), b, e, upcasts=layout.upcasts())

    return kernel


def layer_norm(width: int, epsilon: float, layout: Layout, *, gathered: bool = False) -> Callable[..., UOp]:
    """Return the kernel of layer normalisation (arXiv 1607.06450) over the last axis.

    Shapes: out (B, ≥E), x (≥B, ≥E), weight (E,), bias (E,); with ``gathered`` also slots int32 (B,): row ``b`` of the
    output is made from row ``slots[b]`` of x.
    """

    def kernel(out: UOp, x: UOp, weight: UOp, bias: UOp, *slots: UOp) -> UOp:
        b = UOp.range(out.shape[0], 0)
        source = slots[0][b] if gathered else b
        i, j, e = UOp.range(width, 1, REDUCE), UOp.range(width, 2, REDUCE), UOp.range(width, 3)
        mean = x[source, i].reduce(i, arg=ADD) * (1.0 / width)
        centred = x[source, j] - mean
        variance = (centred * centred).reduce(j, arg=ADD) * (1.0 / width)
        value = (x[source, e] - mean) * (variance + epsilon).rsqrt() * weight[e] + bias[e]
        return kernel_of("layer_norm", out[b, e].store(value), b, e, upcasts=layout.upcasts())

    return kernel


def write_keys(heads: int, size: int, layout: Layout) -> Callable[..., UOp]:
    """Return the kernel that puts each slot's key where its position belongs.

    Shapes: keys (rows, H, T/P, D, P), qkv (B, ≥3E), inputs int32 (3, B); P is ``layout.positions``.
    """

    def kernel(keys: UOp, qkv: UOp, inputs: UOp) -> UOp:
        b, h, d = UOp.range(inputs.shape[1], 0), UOp.range(heads, 1), UOp.range(size, 2)
        position, row = inputs[1, b], inputs[2, b]
        value = qkv[b, heads * size + h * size + d].cast(keys.dtype)
        target = keys[row, h, position // layout.positions, d, position % layout.positions]
        return kernel_of("write_keys", target.store(value), b, h, d, upcasts=layout.upcasts())

    return kernel


def write_values(heads: int, size: int, layout: Layout) -> Callable[..., UOp]:
    """Return the kernel that puts each slot's value where its position belongs.

    Shapes: values (rows, H, T, D), qkv (B, ≥3E), inputs int32 (3, B).
    """

    def kernel(values: UOp, qkv: UOp, inputs: UOp) -> UOp:
        b, h, d = UOp.range(inputs.shape[1], 0), UOp.range(heads, 1), UOp.range(size, 2)
        value = qkv[b, 2 * heads * size + h * size + d].cast(values.dtype)
        target = values[inputs[2, b], h, inputs[1, b], d]
        return kernel_of("write_values", target.store(value), b, h, d, upcasts=layout.upcasts())

    return kernel


def attention_scores(heads: int, size: int, layout: Layout, blocks: UOp) -> Callable[..., UOp]:
    """Return the kernel of ``q · k / sqrt(D)`` (arXiv 1706.03762, eq. 1), -inf behind each slot's own position.

    Shapes: scores (B, H, T/P, P), qkv (B, ≥3E), keys (rows, H, T/P, D, P), inputs int32 (3, B). Only the first
    ``blocks`` blocks are written.
    """

    def kernel(scores: UOp, qkv: UOp, keys: UOp, inputs: UOp) -> UOp:
        b, h = UOp.range(inputs.shape[1], 0), UOp.range(heads, 1)
        block, p = UOp.range(blocks, 2), UOp.range(layout.positions, 3)
        d = UOp.range(size, 4, REDUCE)
        product = qkv[b, h * size + d] * keys[inputs[2, b], h, block, d, p].cast(dtypes.float)
        score = product.reduce(d, arg=ADD) * (1.0 / math.sqrt(size))
        visible = (block * layout.positions + p).cast(dtypes.int) <= inputs[1, b]
        value = visible.where(score, score.const_like(-math.inf))
        sizes = (b.vmax + 1, heads, blocks.vmax, layout.positions)
        upcasts = layout.upcasts(sizes, ((3, layout.positions),))
        return kernel_of("attention_scores", scores[b, h, block, p].store(value), b, h, block, p, upcasts=upcasts)

    return kernel


def softmax(heads: int, layout: Layout, blocks: UOp) -> Callable[..., UOp]:
    """Return the kernel of the softmax over positions, the maximum subtracted first.

    Shapes: weights and scores (B, H, T/P, P); only the first ``blocks`` blocks are read and written.
    """

    def kernel(weights: UOp, scores: UOp) -> UOp:
        b, h = UOp.range(scores.shape[0], 0), UOp.range(heads, 1)
        size = layout.positions

        def summed(first: int) -> tuple[UOp, UOp]:
            return UOp.range(blocks, first, REDUCE), UOp.range(size, first + 1, REDUCE)

        one, two, out = summed(2), summed(4), (UOp.range(blocks, 6), UOp.range(size, 7))
        peak = scores[b, h, *one].reduce(*one, arg=MAX)
        total = _exp(scores[b, h, *two] - peak).reduce(*two, arg=ADD)
        value = _exp(scores[b, h, *out] - peak) / total
        return kernel_of("softmax", weights[b, h, *out].store(value), b, h, *out, upcasts=layout.upcasts())

    return kernel


def attention_mix(heads: int, size: int, layout: Layout, blocks: UOp) -> Callable[..., UOp]:
    """Return the kernel of ``weights @ values``.

    Shapes: out (B, ≥E), weights (B, H, T/P, P), values (rows, H, T, D), inputs int32 (3, B).
    """

    def kernel(out: UOp, weights: UOp, values: UOp, inputs: UOp) -> UOp:
        b, h, d = UOp.range(inputs.shape[1], 0), UOp.range(heads, 1), UOp.range(size, 2)
        block = UOp.range(blocks, 3, REDUCE)
        p = UOp.range(layout.positions, 4, REDUCE)
        value = values[inputs[2, b], h, block * layout.positions + p, d].cast(dtypes.float)
        mixed = (weights[b, h, block, p] * value).reduce(block, p, arg=ADD)
        tile = largest_tile(size, 16)
        upcasts = layout.upcasts((b.vmax + 1, heads, size), ((2, tile),))
        return kernel_of("attention_mix", out[b, h * size + d].store(mixed), b, h, d, upcasts=upcasts)

    return kernel
