"""LoRA (arXiv 2106.09685): a matrix stays as it is, and a product of two narrow ones beside it is trained.

``y = xW + (xA)B · SCALE``. A is random and B zero at first, so training begins with the model as it was; at the end
``W + AB · SCALE`` is written, and nobody who loads the checkpoint need know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model.constants import GPT2Config, tensors

RANK = 16
SCALE = 2.0
"""alpha / rank."""
FIRST, SECOND = ".lora_a", ".lora_b"
"""What stands behind a module's name: A (K, rank), B (rank, N)."""

Arrays = Mapping[str, npt.NDArray[np.float32]]


def shapes(config: GPT2Config) -> dict[str, tuple[int, int]]:
    """Return the names and shapes of every pair: all matrices of all blocks have one."""
    found: dict[str, tuple[int, int]] = {}
    for tensor in tensors(config):
        if tensor.kind == "matrix":
            rows, columns = tensor.shape
            found[tensor.module + FIRST], found[tensor.module + SECOND] = (rows, RANK), (RANK, columns)
    return found


def initial(config: GPT2Config, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Return the pairs that training begins with: A uniform within 1 / sqrt(K), B zero."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes(config).items():
        bound = 1 / math.sqrt(shape[0]) if name.endswith(FIRST) else 0.0
        made[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return made


def add_pair(name: str, weight: npt.NDArray[np.float32], pairs: Arrays) -> None:
    """Add to the tensor ``name`` what its pair makes, in place; nothing where it has none."""
    module = name.removesuffix(".weight")
    if name.endswith(".weight") and module + FIRST in pairs:
        weight += np.float32(SCALE) * (pairs[module + FIRST] @ pairs[module + SECOND])
