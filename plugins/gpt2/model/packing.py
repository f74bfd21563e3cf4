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

from plugins.gpt2.model.constants import GPT2Config, TensorSpec, Weights, tensors
from plugins.gpt2.model.layout import Layout

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint

Array = npt.NDArray[Any]

STORED: dict[Weights, tuple[str, npt.DTypeLike]] = {
    "fp32": ("F32", np.float32),
    "fp16": ("F16", np.float16),
    "bf16": ("BF16", np.uint16),
    "int8": ("I8", np.int8),
}
"""The type of a matrix in the cache file, under safetensors' name and NumPy's; bf16 is kept as its bits."""


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


def _parts_of(tensor: TensorSpec, weights: Weights, layout: Layout) -> Iterator[Part]:
    match tensor.kind:
        case "matrix" | "tokens":
            rows, columns = tensor.shape if tensor.kind == "matrix" else tensor.shape[::-1]
            blocks = layout.padded(columns) // layout.lanes
            shape = blocks, -(-rows // layout.depth), layout.lanes * layout.depth
            yield Part(tensor.name, STORED[weights][0], shape, tensor.name)
            if weights == "int8":
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
            if weights != "int8":
                return (narrow(packed, weights),)
            stored, scale = quantise(packed)
            return layout.interleave(stored), scale
        case "bias":
            return (layout.pack_vector(values.astype(np.float32, copy=False)),)
        case "norm" | "positions":
            return (np.ascontiguousarray(values, np.float32),)


def _with_query_factor(config: GPT2Config, source: str, values: Array) -> Array:
    """Return a tensor with its queries scaled, where this checkpoint scales the attention's scores in its own way.

    The kernels divide every score by sqrt(D) alone: what else there is may as well be in the queries, which are the
    first third of what ``attn.c_attn`` makes.
    """
    layer, _, rest = source.removeprefix("h.").partition(".")
    if not rest.startswith("attn.c_attn.") or (factor := config.query_factor(int(layer))) == 1.0:
        return values
    scaled = values.astype(np.float32)
    scaled[..., : config.n_embd] *= np.float32(factor)
    return scaled


def pack(checkpoint: Checkpoint, weights: Weights, layout: Layout) -> Iterator[tuple[Part, Array]]:
    """Yield every part with its array, C-contiguous, one at a time: no more than one matrix is in memory in fp32."""
    for tensor in tensors(checkpoint.config):
        values = _with_query_factor(checkpoint.config, tensor.name, checkpoint.tensors[tensor.name].numpy())
        arrays = _arrays_of(tensor, values, weights, layout)
        yield from zip(_parts_of(tensor, weights, layout), arrays, strict=True)
