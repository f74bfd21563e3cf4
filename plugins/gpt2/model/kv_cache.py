"""Keys and values of the tokens that a row has seen."""

from __future__ import annotations

import functools

import numpy as np
from tinygrad import Tensor

from plugins.gpt2.model import device
from plugins.gpt2.model.cache.page_memory import zeros
from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.layout import Layout
from plugins.gpt2.model.packing import STORED

BLOCK_SCALES = 64
"""Bytes of the scales of 16 positions."""
KEY_GROUP = 16
"""So many elements of a key have a scale of their own: a few are much larger than the others. At most 16: a vector."""


def padded_size(size: int) -> int:
    """Return the elements of a key or value of 8 bits as stored: whole vectors of 16."""
    return -(-size // 16) * 16


def key_groups(size: int) -> int:
    """Return how many scales a key has."""
    return -(-size // KEY_GROUP)


def block_bytes(size: int, groups: int) -> int:
    """Return the bytes of 16 positions of one head, in 8 bits: their scales, group by group, then their integers."""
    return groups * BLOCK_SCALES + 16 * padded_size(size)


class KVCache:
    """Keys and values of one block: ``rows`` texts of up to ``positions`` tokens, zero at first.

    Keys are (rows, H, T/P, D, P), so that the scores of P positions are one vector; values are (rows, H, T, D). They
    must start as numbers: a masked weight of 0 times NaN would still be NaN. In int8 both are (rows, H, T/16, bytes of
    a block), as ``cpu/int_attention.py`` tells.
    """

    def __init__(
        self, rows: int, heads: int, size: int, positions: int, weights: Weights, layout: Layout, where: str
    ) -> None:
        self.heads, self.size, self.weights = heads, size, weights
        self.blocks = -(-positions // layout.positions)
        length, dtype = self.blocks * layout.positions, np.dtype(STORED[weights][1])
        shapes: tuple[tuple[int, ...], ...]
        shapes = (rows, heads, self.blocks, size, layout.positions), (rows, heads, length, size)
        if weights == "int8":
            shapes = tuple((rows, heads, self.blocks, block_bytes(size, n)) for n in (key_groups(size), 1))
        # On a CPU the tensors lie in these arrays.
        self.key_array, self.value_array = (zeros(shape, dtype) for shape in shapes)
        self.where = where

    @functools.cached_property
    def keys(self) -> Tensor:
        """The keys on their device."""
        return device.place(self.key_array, self.where)

    @functools.cached_property
    def values(self) -> Tensor:
        """The values on their device."""
        return device.place(self.value_array, self.where)
