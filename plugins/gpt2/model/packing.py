"""A checkpoint's tensors as the kernels want them: packed, narrowed, in the order in which they are used.

What a *part* is: one array of the model in memory, named after the module it belongs to (``h.0.attn.c_attn.weight``,
``….scale``, ``….bias``). ``parts`` tells names, types and shapes without reading anything, ``pack`` makes the arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model.constants import (
    CONTRACT,
    EXPAND,
    FLOORS,
    QKV,
    GPT2Config,
    TensorSpec,
    Weights,
    block_of,
    in_block,
    tensors,
)
from plugins.gpt2.model.cpu.quantised_rows import BYTES_AT_ONCE
from plugins.gpt2.model.cpu.quantised_rows import GROUP as GROUP
from plugins.gpt2.model.cpu.quantised_rows import steps as row_steps
from plugins.gpt2.model.layout import Layout

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint

Array = npt.NDArray[Any]

STORED: dict[Weights, tuple[str, npt.DTypeLike]] = {
    "fp32": ("F32", np.float32),
    "fp16": ("F16", np.float16),
    "bf16": ("BF16", np.uint16),
    "int8": ("I8", np.int8),
    "int4": ("U8", np.uint8),
}
"""The type of a matrix in the cache file, under safetensors' name and NumPy's; bf16 is kept as its bits, int4 two to a
byte."""


MOST_STEP = 127
REACHES = (8.0, 7.5, 7.0, 8.5, -7.0, -7.5)
"""Where in the range of 4 bits a group's largest weight may come to lie."""


@dataclass(frozen=True, slots=True)
class Part:
    """One array to come. ``source`` is the checkpoint's tensor that it is made from."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    source: str


def quantise(packed: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return int8 values and the scale of each column of a packed (N/L, K, L) matrix: symmetric, scale = max|w|/127.

    A column of zeros gets scale 1, so that nothing is divided by zero.
    """
    peak = np.abs(packed).max(axis=1)
    scale = np.where(peak > 0, peak / 127, 1).astype(np.float32)
    return np.rint(packed / scale[:, None, :]).astype(np.int8), scale


def quantise_groups(
    packed: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return integers q of -8 to 7, the step s of each group of 32, and the scale of each column: w = q · s · scale.

    Shapes: packed (N/L, K, L), q (N/L, K32, L) with zeros appended to whole groups, s (N/L, K32/32, L), scale (N/L, L).
    q · s are integers, too, so that a product's sums are exact; the steps are small enough for the sum of a column to
    stay in 32 bits whatever the row. Of several steps for a group the one with the least squares is taken.
    """
    blocks, rows, lanes = packed.shape
    groups = -(-rows // GROUP)
    q, s = np.empty((blocks, groups * GROUP, lanes), np.int8), np.empty((blocks, groups, lanes), np.int8)
    scale = np.empty((blocks, lanes), np.float32)
    most = (2**31 - 1) // row_steps(rows, grouped=True)
    for block in range(blocks):  # one at a time stays in the processor's cache
        whole = np.pad(packed[block], ((0, groups * GROUP - rows), (0, 0))).reshape(groups, GROUP, lanes)
        step = _best_steps(whole)
        unit = np.maximum(np.abs(step).max(axis=0) / MOST_STEP, np.abs(whole).sum(axis=(0, 1)) / (0.9 * most))
        unit[unit == 0] = 1
        while True:
            taken = np.rint(step / unit)
            given = np.where(taken == 0, 1, taken) * unit
            values = np.clip(np.rint(whole / given[:, None]), -8, 7)
            integers = values * taken[:, None]
            if not (over := np.abs(integers).sum(axis=(0, 1)) > most).any():
                break
            unit[over] *= 1.1
        squares = np.square(integers).sum(axis=(0, 1))
        q[block], s[block] = values.reshape(-1, lanes), taken
        scale[block] = np.where(squares > 0, (whole * integers).sum(axis=(0, 1)) / np.maximum(squares, 1), 1)
    return q, s, scale


def _best_steps(whole: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the steps (G, L), signs included, that lose least of groups (G, 32, L)."""
    largest = np.take_along_axis(whole, np.abs(whole).argmax(axis=1)[:, None], axis=1)[:, 0]
    best, least = np.zeros_like(largest), np.full_like(largest, np.inf)
    for reach in REACHES:
        step = largest / np.float32(-reach)
        values = np.clip(np.rint(whole / np.where(step == 0, 1, step)[:, None]), -8, 7)
        lost = np.square(whole - values * step[:, None]).sum(axis=1)
        best, least = np.where(lost < least, step, best), np.minimum(lost, least)
    return best


def narrow(packed: npt.NDArray[np.float32], weights: Weights) -> Array:
    """Return fp32 values as fp32, fp16, or the bits of bf16, rounded to nearest, halves to even."""
    if weights == "bf16":
        bits = packed.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return packed.astype(STORED[weights][1], copy=False)


def parts(config: GPT2Config, weights: Weights, layout: Layout) -> Iterator[Part]:
    """Yield every part of a model, in the order of the forward pass."""
    for tensor in tensors(config):
        yield from _parts_of(tensor, weights, layout)


def kept_as(module: str, weights: Weights) -> Weights:
    """Return how the matrix of ``module`` is kept: embeddings and head never have fewer than 8 bits."""
    return "int8" if weights == "int4" and block_of(f"{module}.weight") is None else weights


def _parts_of(tensor: TensorSpec, weights: Weights, layout: Layout) -> Iterator[Part]:
    match tensor.kind:
        case "matrix" | "tokens":
            rows, columns = tensor.shape if tensor.kind == "matrix" else tensor.shape[::-1]
            blocks, kept = layout.padded(columns) // layout.lanes, kept_as(tensor.module, weights)
            groups = -(-rows // GROUP)
            shape = blocks, -(-rows // layout.depth), layout.lanes * layout.depth
            if kept == "int4":
                shape = blocks, groups * GROUP // layout.chunk, layout.lanes * layout.chunk // 2
            yield Part(tensor.name, STORED[kept][0], shape, tensor.name)
            if kept == "int4":
                yield Part(f"{tensor.module}.steps", "I8", (blocks, groups, layout.lanes), tensor.name)
            if kept in ("int8", "int4"):
                yield Part(f"{tensor.module}.scale", "F32", (blocks, layout.lanes), tensor.name)
        case "bias":
            blocks = layout.padded(*tensor.shape) // layout.lanes
            yield Part(tensor.name, "F32", (blocks, layout.lanes), tensor.name)
        case "norm" | "positions":
            yield Part(tensor.name, "F32", tensor.shape, tensor.name)


def _arrays_of(tensor: TensorSpec, values: Array, weights: Weights, layout: Layout) -> tuple[Array, ...]:
    """Return the arrays of :func:`_parts_of`, in its order."""
    match tensor.kind:
        case "matrix" | "tokens":
            packed = layout.pack(values if tensor.kind == "matrix" else values.T)
            match kept_as(tensor.module, weights):
                case "int8":
                    stored, scale = quantise(packed)
                    return layout.interleave(stored), scale
                case "int4":
                    stored, steps, scale = quantise_groups(packed)
                    return layout.nibbles(stored), steps, scale
                case kept:
                    return (narrow(packed, kept),)
        case "bias":
            return (layout.pack_vector(values.astype(np.float32, copy=False)),)
        case "norm" | "positions":
            return (np.ascontiguousarray(values, np.float32),)


def _with_query_factor(config: GPT2Config, tensor: TensorSpec, values: Array) -> Array:
    """Return a tensor with its queries scaled, where this checkpoint scales the attention's scores in its own way.

    The kernels divide every score by sqrt(D) alone: what else there is may as well be in the queries, which are the
    first third of what ``QKV`` makes.
    """
    block = block_of(tensor.name)
    if block is None or tensor.module != in_block(block, QKV) or (factor := config.query_factor(block)) == 1.0:
        return values
    scaled = values.astype(np.float32)
    scaled[..., : config.n_embd] *= np.float32(factor)
    return scaled


def floor_of(config: GPT2Config, module: str, weights: Weights, layout: Layout) -> float | None:
    """Return how far below zero the rows go that lie between the two products of a feed-forward network, as they are
    quantised to 8 bits; None where ``module`` is neither of the two, or rows have more bits.

    What is quantised is each value plus this. The bias of the second product takes that off again: see :func:`pack`.
    """
    block = block_of(f"{module}.weight")
    if block is None or module not in (in_block(block, EXPAND), in_block(block, CONTRACT)):
        return None
    whole = weights == "int8" and layout.depth > 1 and config.n_inner % BYTES_AT_ONCE == 0
    return FLOORS[config.activation] if whole else None


def pack(checkpoint: Checkpoint, weights: Weights, layout: Layout) -> Iterator[tuple[Part, Array]]:
    """Yield every part with its array, C-contiguous, one at a time: no more than one matrix is in memory in fp32."""
    config, raised = checkpoint.config, dict[str, Array]()
    for tensor in tensors(config):
        values = _with_query_factor(config, tensor, checkpoint.tensors[tensor.name].numpy())
        arrays = _arrays_of(tensor, values, weights, layout)
        floor = floor_of(config, tensor.module, weights, layout)
        if floor is not None and tensor.module.endswith(CONTRACT):
            if tensor.kind == "matrix":
                raised[tensor.module] = arrays[1] * np.float32(floor) * sums_of_columns(arrays[0], layout)
            else:
                arrays = (arrays[0] - raised.pop(tensor.module),)
        yield from zip(_parts_of(tensor, weights, layout), arrays, strict=True)


def sums_of_columns(stored: npt.NDArray[np.int8], layout: Layout) -> npt.NDArray[np.float32]:
    """Return the sum of each column, (N/L, L), of an interleaved matrix (N/L, K/depth, L · depth)."""
    deep = stored.reshape(stored.shape[0], -1, layout.lanes, layout.depth)
    sums: npt.NDArray[np.int32] = deep.sum(axis=(1, 3), dtype=np.int32)
    return sums.astype(np.float32)
