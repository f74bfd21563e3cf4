"""Draws tokens in C: implements ``Drawing`` for the sampler."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.drawing import Filters, Logits, SeenTokens
from plugins.gpt2.model import device
from plugins.gpt2.model.cpu.draw_source import DRAW, TYPES

SOURCE = f"""{TYPES}
void draw_one(draw* d, u64 key) {{ draw_token(d, key); }}
{DRAW}"""

WORD = ctypes.c_void_p


class Draw(ctypes.Structure):
    """A ``draw`` of the source."""

    _fields_ = (
        ("logits", WORD),
        ("vocabulary", ctypes.c_long),
        ("seen", WORD),
        ("count", ctypes.c_long),
        ("how", WORD),
        ("top_k", ctypes.c_long),
        ("weights", WORD),
        ("kept", WORD),
        ("ids", WORD),
        ("sure", ctypes.c_float),
        ("token", ctypes.c_int),
    )


class Drawer:
    """Draws from the logits of a vocabulary of that size. Belongs to the thread that runs the model."""

    def __init__(self, vocabulary: int) -> None:
        """Raise what compiling raises."""
        function: Any = device.load_c("draw_one", SOURCE)
        # Kept under the interpreter's lock: a draw takes some microseconds, and waiting for the lock may take far more.
        address = ctypes.cast(function, ctypes.c_void_p).value
        self._call = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64)(address or 0)
        self._keeps = function
        room = 2 * vocabulary + 64
        self._room = np.zeros((2, room), np.float32), np.zeros(room, np.int32)
        weights, ids = (array.ctypes.data for array in self._room)
        self.state = Draw(vocabulary=vocabulary, weights=weights, kept=weights + 4 * room, ids=ids, sure=0.0, token=-1)
        self._at = ctypes.addressof(self.state)
        self._how: npt.NDArray[np.float64] | None = None

    def token(self, logits: Logits, seen: SeenTokens, filters: Filters, key: int) -> tuple[int, float]:
        """See :class:`~plugins.gpt2.drawing.Drawing`."""
        state = self.state
        state.logits = logits.ctypes.data
        self.use(seen, filters)
        self._call(self._at, key)
        return state.token, state.sure

    def use(self, seen: SeenTokens, filters: Filters) -> None:
        """Draw with these from now on."""
        state = self.state
        state.seen, state.count = seen.address, seen.count
        if self._how is not filters.numbers:
            self._how = filters.numbers
            state.how, state.top_k = filters.numbers.ctypes.data, filters.top_k
