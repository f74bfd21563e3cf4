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
from tinygrad.uop.ops import AxisType, KernelInfo, Ops

from plugins.gpt2.model.constants import Activation
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
    if kind == "relu":
        return x.maximum(x.const_like(0.0))
    return x


def matmul(
    name: str, k: int, layout: Layout, *, scaled: bool, biased: bool, residual: bool, activation: Epilogue = "none"
) -> Callable[..., UOp]:
    """Return the kernel of ``out = activation(x @ W · scale + bias) + residual``.

    Shapes: out (B, N/L, L), x (B, ≥k), W (N/L, k, L), then those asked for: scale (N/L, L), bias (N/L, L),
    residual (B, N/L, L). L is the layout's number of lanes, k the length of the sum.
    """

    def kernel(out: UOp, x: UOp, weight: UOp, *rest: UOp) -> UOp:
        extra = list(rest)
        slots, blocks = out.shape[0], out.shape[1]
        n, lane, b = UOp.range(blocks, 0), UOp.range(layout.lanes, 1), UOp.range(slots, 2)
        i = UOp.range(k, 3, AxisType.REDUCE)
        value = (x[b, i] * widen(weight[n, i, lane])).reduce(i, arg=Ops.ADD)
        if scaled:
            value = value * extra.pop(0)[n, lane]
        if biased:
            value = value + extra.pop(0)[n, lane]
        value = activate(value, activation)
        if residual:
            value = value + extra.pop(0)[b, n, lane]
        info = KernelInfo(name=name, opts_to_apply=layout.options((blocks, layout.lanes, slots), ((1, layout.lanes),)))
        return out[b, n, lane].store(value).end(n, lane, b).sink(arg=info)

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
        return out[b, e].store(value).end(b, e).sink(arg=KernelInfo(name="embed", opts_to_apply=layout.options((), ())))

    return kernel


def layer_norm(width: int, epsilon: float, layout: Layout, *, gathered: bool = False) -> Callable[..., UOp]:
    """Return the kernel of layer normalisation (arXiv 1607.06450) over the last axis.

    Shapes: out (B, ≥E), x (≥B, ≥E), weight (E,), bias (E,); with ``gathered`` also slots int32 (B,): row ``b`` of the
    output is made from row ``slots[b]`` of x.
    """

    def kernel(out: UOp, x: UOp, weight: UOp, bias: UOp, *slots: UOp) -> UOp:
        b = UOp.range(out.shape[0], 0)
        source = slots[0][b] if gathered else b
        i, j, e = UOp.range(width, 1, AxisType.REDUCE), UOp.range(width, 2, AxisType.REDUCE), UOp.range(width, 3)
        mean = x[source, i].reduce(i, arg=Ops.ADD) * (1.0 / width)
        centred = x[source, j] - mean
        variance = (centred * centred).reduce(j, arg=Ops.ADD) * (1.0 / width)
        value = (x[source, e] - mean) * (variance + epsilon).rsqrt() * weight[e] + bias[e]
        return (
            out[b, e]
            .store(value)
            .end(b, e)
            .sink(arg=KernelInfo(name="layer_norm", opts_to_apply=layout.options((), ())))
        )

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
        return (
            target.store(value)
            .end(b, h, d)
            .sink(arg=KernelInfo(name="write_keys", opts_to_apply=layout.options((), ())))
        )

    return kernel


def write_values(heads: int, size: int, layout: Layout) -> Callable[..., UOp]:
    """Return the kernel that puts each slot's value where its position belongs.

    Shapes: values (rows, H, T, D), qkv (B, ≥3E), inputs int32 (3, B).
    """

    def kernel(values: UOp, qkv: UOp, inputs: UOp) -> UOp:
        b, h, d = UOp.range(inputs.shape[1], 0), UOp.range(heads, 1), UOp.range(size, 2)
        value = qkv[b, 2 * heads * size + h * size + d].cast(values.dtype)
        target = values[inputs[2, b], h, inputs[1, b], d]
        return (
            target.store(value)
            .end(b, h, d)
            .sink(arg=KernelInfo(name="write_values", opts_to_apply=layout.options((), ())))
        )

    return kernel


def attention_scores(heads: int, size: int, layout: Layout, blocks: UOp) -> Callable[..., UOp]:
    """Return the kernel of ``q · k / sqrt(D)`` (arXiv 1706.03762, eq. 1), -inf behind each slot's own position.

    Shapes: scores (B, H, T/P, P), qkv (B, ≥3E), keys (rows, H, T/P, D, P), inputs int32 (3, B). Only the first
    ``blocks`` blocks are written.
    """

    def kernel(scores: UOp, qkv: UOp, keys: UOp, inputs: UOp) -> UOp:
        b, h = UOp.range(inputs.shape[1], 0), UOp.range(heads, 1)
        block, p = UOp.range(blocks, 2), UOp.range(layout.positions, 3)
        d = UOp.range(size, 4, AxisType.REDUCE)
        product = qkv[b, h * size + d] * keys[inputs[2, b], h, block, d, p].cast(dtypes.float)
        score = product.reduce(d, arg=Ops.ADD) * (1.0 / math.sqrt(size))
        visible = (block * layout.positions + p).cast(dtypes.int) <= inputs[1, b]
        value = visible.where(score, score.const_like(-math.inf))
        sizes = (b.vmax + 1, heads, blocks.vmax, layout.positions)
        info = KernelInfo(name="attention_scores", opts_to_apply=layout.options(sizes, ((3, layout.positions),)))
        return scores[b, h, block, p].store(value).end(b, h, block, p).sink(arg=info)

    return kernel


def softmax(heads: int, layout: Layout, blocks: UOp) -> Callable[..., UOp]:
    """Return the kernel of the softmax over positions, the maximum subtracted first.

    Shapes: weights and scores (B, H, T/P, P); only the first ``blocks`` blocks are read and written.
    """

    def kernel(weights: UOp, scores: UOp) -> UOp:
        b, h = UOp.range(scores.shape[0], 0), UOp.range(heads, 1)
        size = layout.positions

        def along(first: int, kind: AxisType) -> tuple[UOp, UOp]:
            return UOp.range(blocks, first, kind), UOp.range(size, first + 1, kind)

        one, two, out = along(2, AxisType.REDUCE), along(4, AxisType.REDUCE), along(6, AxisType.WEAK)
        peak = scores[b, h, *one].reduce(*one, arg=Ops.MAX)
        total = _exp(scores[b, h, *two] - peak).reduce(*two, arg=Ops.ADD)
        value = _exp(scores[b, h, *out] - peak) / total
        info = KernelInfo(name="softmax", opts_to_apply=layout.options((), ()))
        return weights[b, h, *out].store(value).end(b, h, *out).sink(arg=info)

    return kernel


def attention_mix(heads: int, size: int, layout: Layout, blocks: UOp) -> Callable[..., UOp]:
    """Return the kernel of ``weights @ values``.

    Shapes: out (B, ≥E), weights (B, H, T/P, P), values (rows, H, T, D), inputs int32 (3, B).
    """

    def kernel(out: UOp, weights: UOp, values: UOp, inputs: UOp) -> UOp:
        b, h, d = UOp.range(inputs.shape[1], 0), UOp.range(heads, 1), UOp.range(size, 2)
        block = UOp.range(blocks, 3, AxisType.REDUCE)
        p = UOp.range(layout.positions, 4, AxisType.REDUCE)
        value = values[inputs[2, b], h, block * layout.positions + p, d].cast(dtypes.float)
        mixed = (weights[b, h, block, p] * value).reduce(block, p, arg=Ops.ADD)
        tile = largest_tile(size, 16)
        info = KernelInfo(name="attention_mix", opts_to_apply=layout.options((b.vmax + 1, heads, size), ((2, tile),)))
        return out[b, h * size + d].store(mixed).end(b, h, d).sink(arg=info)

    return kernel
