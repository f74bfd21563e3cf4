"""Arrays on pages of their own."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return zeros on whole pages. The system gives memory page by page as it is written, so unused rows cost none."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return np.frombuffer(mmap.mmap(-1, max(size, 1)), dtype, size // dtype.itemsize).reshape(shape)
