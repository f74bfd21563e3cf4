"""How matrices lie in memory, and which tiles the kernels keep in registers, on the device at hand.

On a CPU a matrix of shape (K, N) is kept as (N/L, K, L): L neighbouring output columns lie together, so that one
output block reads one straight stream and clang turns the L products into vector instructions; with Hugging Face's
(in, out) order a product with one row is 8 times slower. On a GPU L is 1, which is the plain (out, in) order. Where
integers are multiplied, 2 or 4 neighbours of a column lie together in that stream (``depth``): (N/L, K/depth, L·depth).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Layout:
    """``lanes`` columns of a matrix lie together, and ``positions`` positions of the key cache."""

    lanes: int
    positions: int
    explicit: bool
    """True: the tiles of UOp kernels are chosen here; False: tinygrad's heuristics choose."""
    depth: int = 1
    """So many neighbours of a column lie together: as many as an instruction adds to one sum of integers."""

    def upcasts(
        self, sizes: Sequence[int] = (), tiles: Sequence[tuple[int, int]] = ()
    ) -> tuple[tuple[int, int], ...] | None:
        """Return (axis, steps) of each tile of a kernel's output that stays in registers; None leaves it to tinygrad.

        ``sizes`` are the output ranges in the order of their ids, ``tiles`` pairs of (index into sizes, steps). The
        axis number that tinygrad wants counts only ranges that still have more than one step.
        """
        if not self.explicit:
            return None
        left, upcasts = list(sizes), []
        for index, amount in tiles:
            if amount > 1:
                upcasts.append((sum(1 for size in left[:index] if size > 1), amount))
                left[index] //= amount
        return tuple(upcasts)

    def padded(self, columns: int) -> int:
        """Return the number of columns as stored: whole blocks."""
        return -(-columns // self.lanes) * self.lanes

    def pack(self, matrix: npt.NDArray[np.float32] | npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
        """Return a (K, N) matrix as (N/L, K, L), contiguous, zero columns appended."""
        rows, columns = matrix.shape
        width = self.padded(columns)
        packed = np.zeros((width // self.lanes, rows, self.lanes), np.float32)
        whole = columns // self.lanes
        packed[:whole] = matrix[:, : whole * self.lanes].reshape(rows, whole, self.lanes).transpose(1, 0, 2)
        if rest := columns - whole * self.lanes:
            packed[whole, :, :rest] = matrix[:, whole * self.lanes :]
        return packed

    def interleave(self, packed: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return (N/L, K, L) as (N/L, K/depth, L · depth), contiguous: ``depth`` rows lie together, zeros appended."""
        if self.depth == 1:
            return packed
        blocks, rows, lanes = packed.shape
        whole = np.pad(packed, ((0, 0), (0, -rows % self.depth), (0, 0)))
        deep = whole.reshape(blocks, -1, self.depth, lanes).swapaxes(2, 3)
        return np.ascontiguousarray(deep).reshape(blocks, -1, lanes * self.depth)

    def nibbles(self, packed: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
        """Return integers of -8 to 7, (N/L, K, L), two to a byte: (N/L, K/c, c/2 · L), K a multiple of ``chunk`` c.

        Where a product takes its factors in 16 bits, 4 steps of it lie in the 4 nibbles of 16 bits, else 2 in a byte:
        a shift to the left and one to the right then give the weights of a step, whose signs come with them.
        """
        kind = np.uint16 if self.depth == 2 else np.uint8
        blocks, rows, lanes = packed.shape
        steps: npt.NDArray[Any] = packed.astype(kind).reshape(
            blocks, rows // self.chunk, self.chunk // self.depth, self.depth, lanes
        )
        made: npt.NDArray[Any] = np.zeros((blocks, rows // self.chunk, lanes, self.depth), kind)
        for index in range(steps.shape[2]):
            made |= (steps[:, :, index].swapaxes(2, 3) & 15) << (4 * index)
        return made.view(np.uint8).reshape(blocks, rows // self.chunk, -1)

    @property
    def chunk(self) -> int:
        """So many rows lie in the same bytes where there are two weights to each."""
        return 2 if self.depth == 1 else 8

    def pack_vector(self, vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return (N,) as (N/L, L), zeros appended."""
        return np.pad(vector, (0, self.padded(len(vector)) - len(vector))).reshape(-1, self.lanes)


NATIVE = Layout(lanes=64, positions=16, explicit=True)
"""For the C kernels: a block is one cache line of 8-bit weights."""

PORTABLE_CPU = Layout(lanes=16, positions=16, explicit=True)
"""For UOp kernels on a CPU: one register of AVX-512, and no wider tiles, which take tinygrad seconds to lower."""

GPU = Layout(lanes=1, positions=1, explicit=False)


def largest_tile(size: int, most: int) -> int:
    """Return the largest power of two up to ``most`` that divides ``size``."""
    return min(size & -size, most)
