"""Tensors that lie in a mapped file: known by place and shape, read when they are asked for."""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.errors import CheckpointError

READABLE = ("F32", "F16", "BF16", "F64")
"""The types that :meth:`TensorRef.numpy` reads, under safetensors' names."""

Float = npt.NDArray[np.float32] | npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class TensorRef:
    """Where one tensor lies in a mapped file. Reading starts with :meth:`numpy`, not before."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    file: Path
    offset: int
    """Bytes from the start of the file."""
    _map: mmap.mmap = field(repr=False, compare=False)

    def numpy(self) -> Float:
        """Return the values in ``shape``: a read-only view of the file for F32 and F16, else a float32 copy.

        The view keeps the map alive, also after the checkpoint is closed.
        """
        if self.dtype not in READABLE:
            raise CheckpointError(
                f"{self.file}: tensor {self.name} is {self.dtype}; GPT-2's weights are read as "
                f"{', '.join(READABLE)}. Save the checkpoint in one of these types."
            )
        count = math.prod(self.shape)
        if self.dtype == "BF16":  # bfloat16 is the upper half of a float32
            halves = np.frombuffer(self._map, "<u2", count, self.offset)
            return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32).reshape(self.shape)
        if self.dtype == "F64":
            return np.frombuffer(self._map, "<f8", count, self.offset).astype(np.float32).reshape(self.shape)
        values: Float = np.frombuffer(self._map, "<f4" if self.dtype == "F32" else "<f2", count, self.offset)
        return np.require(values, requirements="A").reshape(self.shape)  # files before safetensors 0.3 are not aligned

    def raw(self, start: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``start`` of this tensor as they lie in the file."""
        first = self.offset + min(start, self.nbytes)
        return self._map[first : min(first + length, self.offset + self.nbytes)]


@dataclass(frozen=True, slots=True)
class TensorFile:
    """One open file: its tensors by name, the bytes that describe them and the file's size."""

    path: Path
    tensors: Mapping[str, TensorRef]
    header: bytes = field(repr=False)
    size: int
