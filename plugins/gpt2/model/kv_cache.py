"""Keys and values of the tokens that a row has seen."""

from __future__ import annotations

import numpy as np

from plugins.gpt2.model import device
from plugins.gpt2.model.cache.page_memory import zeros
from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.layout import Layout
from plugins.gpt2.model.packing import STORED


class KVCache:
    """Keys and values of one block: ``rows`` texts of up to ``positions`` tokens, zero at first.

    Keys are (rows, H, T/P, D, P), so that the scores of P positions are one vector; values are (rows, H, T, D). They
    must start as numbers: a masked weight of 0 times NaN would still be NaN.
    """

    def __init__(
        self, rows: int, heads: int, size: int, positions: int, weights: Weights, layout: Layout, where: str
    ) -> None:
        self.heads, self.size, self.weights = heads, size, weights
        self.blocks = -(-positions // layout.positions)
        length, dtype = self.blocks * layout.positions, np.dtype(STORED[weights][1])
        shapes = (rows, heads, self.blocks, size, layout.positions), (rows, heads, length, size)
        # On a CPU the tensors lie in these arrays.
        self.key_array, self.value_array = (zeros(shape, dtype) for shape in shapes)
        self.keys, self.values = (device.place(array, where) for array in (self.key_array, self.value_array))
