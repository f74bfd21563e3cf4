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

from plugins.gpt2.model.constants import GPT2Config, Weights
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
    width, inner = config.n_embd, config.n_inner
    yield from _matrix("wte", width, config.vocab_size, weights, layout, biased=False)
    yield Part("wpe.weight", "F32", (config.n_positions, width), "wpe.weight")
    for index in range(config.n_layer):
        name = f"h.{index}"
        yield from _norm(f"{name}.ln_1", width)
        yield from _matrix(f"{name}.attn.c_attn", width, 3 * width, weights, layout)
        yield from _matrix(f"{name}.attn.c_proj", width, width, weights, layout)
        yield from _norm(f"{name}.ln_2", width)
        yield from _matrix(f"{name}.mlp.c_fc", width, inner, weights, layout)
        yield from _matrix(f"{name}.mlp.c_proj", inner, width, weights, layout)
    yield from _norm("ln_f", width)
    if not config.tied_head:
        yield from _matrix("lm_head", width, config.vocab_size, weights, layout, biased=False)


def _norm(name: str, width: int) -> Iterator[Part]:
    for kind in ("weight", "bias"):
        yield Part(f"{name}.{kind}", "F32", (width,), f"{name}.{kind}")


def _matrix(
    name: str, rows: int, columns: int, weights: Weights, layout: Layout, *, biased: bool = True
) -> Iterator[Part]:
    blocks, source = layout.padded(columns) // layout.lanes, f"{name}.weight"
    shape = blocks, -(-rows // layout.depth), layout.lanes * layout.depth
    yield Part(source, STORED[weights][0], shape, source)
    if weights == "int8":
        yield Part(f"{name}.scale", "F32", (blocks, layout.lanes), source)
    if biased:
        yield Part(f"{name}.bias", "F32", (blocks, layout.lanes), f"{name}.bias")


def pack(checkpoint: Checkpoint, weights: Weights, layout: Layout) -> Iterator[tuple[Part, Array]]:
    """Yield every part with its array, C-contiguous, one at a time: no more than one matrix is in memory in fp32."""
    scale: Array | None = None
    for part in parts(checkpoint.config, weights, layout):
        if part.name.endswith(".scale"):
            assert scale is not None, "a scale follows its matrix"
            yield part, scale
            continue
        values = checkpoint.tensors[part.source].numpy()
        if len(part.shape) == 3:
            by_rows = part.name in ("wte.weight", "lm_head.weight")  # (V, E); all others are Conv1D, (in, out)
            packed = layout.pack(values.T if by_rows else values)
            if weights == "int8":
                stored, scale = quantise(packed)
                stored = layout.interleave(stored)
            else:
                stored = narrow(packed, weights)
            yield part, stored
        elif part.name.startswith(("wpe", "ln_f")) or ".ln_" in part.name:
            yield part, np.ascontiguousarray(values, np.float32)
        else:
            yield part, layout.pack_vector(values.astype(np.float32, copy=False))
