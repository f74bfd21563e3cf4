"""What quantised rows, and weights of 4 bits, must be, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model.cpu import quantised_rows
from plugins.gpt2.model.cpu.instructions import Instructions
from plugins.gpt2.model.layout import Layout
from plugins.gpt2.model.packing import quantise_groups

Array = npt.NDArray[Any]


def quantised(x: Array, *, grouped: bool = False) -> tuple[Array, Array]:
    """Integers and scales of rows, as the kernels must make them: to the nearest, of two to the even one."""
    most = np.float32(quantised_rows.steps(x.shape[1], grouped=grouped))
    peak = np.abs(x).max(axis=1, keepdims=True)
    rate = np.divide(most, peak, out=np.zeros_like(peak), where=peak > 1e-30)
    return np.rint(x * rate).astype(np.int32), (peak / most)[:, 0]


def byte_quantised(x: Array, floor: float) -> tuple[Array, Array, Array]:
    """Integers 0 to 255 and steps of groups of 64, and scales, of rows that lie above ``-floor``."""
    most, group = np.float32(quantised_rows.steps(x.shape[1]) - quantised_rows.BYTE_GROUP), quantised_rows.BYTE_GROUP
    raised = x + np.float32(floor)
    peak = np.maximum(raised.max(axis=1, keepdims=True), 0)
    rate = np.divide(most, peak, out=np.zeros_like(peak), where=peak > 1e-30)
    fine = np.rint(np.maximum(raised * rate, 0)).reshape(len(x), -1, group)
    steps = np.maximum(1, (fine.max(axis=2, keepdims=True).astype(np.int32) + 254) // 255)
    integers = np.rint(fine * (np.float32(1) / steps.astype(np.float32)))
    return integers.reshape(x.shape).astype(np.int32), steps[:, :, 0], (peak / most)[:, 0]


def byte_rows_of(instructions: Instructions, x: Array, floor: float) -> Array:
    """The same as bytes: where bytes are multiplied with their steps behind them, else as their products."""
    integers, steps, scale = byte_quantised(x, floor)
    if not instructions.of_bytes:
        return _laid(instructions, integers * np.repeat(steps, quantised_rows.BYTE_GROUP, axis=1), scale)
    k = x.shape[1]
    rows = np.zeros((len(x), quantised_rows.row_bytes(k)), np.int8)
    rows[:, :4] = scale.astype(np.float32)[:, None].view(np.int8)
    rows[:, 64 : 64 + k] = integers.astype(np.uint8).view(np.int8)
    rows[:, 64 + k : 64 + k + 4 * steps.shape[1]] = steps.astype(np.int32).view(np.int8)
    return rows


def rows_of(instructions: Instructions, x: Array, *, grouped: bool = False) -> Array:
    """Quantised rows as bytes."""
    return _laid(instructions, *quantised(x, grouped=grouped))


def _laid(instructions: Instructions, integers: Array, scale: Array) -> Array:
    k = integers.shape[1]
    rows = np.zeros((len(integers), quantised_rows.row_bytes(k)), np.int8)
    rows[:, :4] = scale.astype(np.float32)[:, None].view(np.int8)
    half = (rows.shape[1] - 64) // 2
    if instructions.depth == 4:
        rows[:, 64 : 64 + k], rows[:, 64 + half : 64 + half + k] = integers >> 7, integers & 127
    else:
        rows[:, 64 : 64 + 2 * k] = integers.astype(np.int16).view(np.int8)
    return rows


def quantised_groups(packed: Array, layout: Layout) -> tuple[Array, Array, Array, Array]:
    """The integers (N/L, K, L) that 4-bit weights stand for, their scales, and both as the kernels read them."""
    values, steps, scale = quantise_groups(packed)
    integers = values.astype(np.int32) * np.repeat(steps, quantised_rows.GROUP, axis=1)
    return integers[:, : packed.shape[1]], scale, layout.nibbles(values), steps


def floats_of(instructions: Instructions | None, rows: Array, k: int) -> Array:
    """The floats that quantised rows stand for, (B, k)."""
    assert instructions is not None
    scale, half = rows[:, :4].copy().view(np.float32), (rows.shape[1] - 64) // 2
    if instructions.depth == 4:
        integers = rows[:, 64 : 64 + k].astype(np.int32) * 128 + rows[:, 64 + half : 64 + half + k]
    else:
        integers = rows[:, 64 : 64 + 2 * k].copy().view(np.int16)[:, :k].astype(np.int32)
    result: Array = integers * scale
    return result
