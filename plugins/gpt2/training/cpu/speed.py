"""How fast this machine multiplies in training, for what is told beforehand and the size of a step."""

from __future__ import annotations

import ctypes
import subprocess
import time
from collections.abc import Callable

import numpy as np

from plugins.gpt2.model import device
from plugins.gpt2.model.target import compiler
from plugins.gpt2.training.cpu.products import Product, tile_for
from plugins.gpt2.training.precision import Precision

SECONDS = 0.3
LEAST, PATIENCE_S = 10, 3.0
"""So many products are timed at least, unless that takes longer than this."""
_TIMED = Product(384, 192, 384)
"""One slice; its operands lie in the second cache."""

Clock = Callable[[], float]


def measured_flops(precision: Precision, threads: int) -> float:
    """Return the floating-point operations a second that ``threads`` cores make of products.

    One core is timed, product by product, each shorter than a share of time that the system deals out: so the best of
    them is what the core can do, however busy the machine is, and at the lowest priority.
    """
    return threads * 2 * _TIMED.m * _TIMED.n * _TIMED.k / best_seconds(_product(precision))


def best_seconds(once: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Return how long ``once`` takes at its best."""
    once()
    began, best, count = clock(), float("inf"), 0
    while (now := clock()) < began + SECONDS or (count < LEAST and now < began + PATIENCE_S):
        once()
        best, count = min(best, clock() - now), count + 1
    return max(best, 1e-9)


def _product(precision: Precision) -> Callable[[], object]:
    """Return what makes a product: the C that trains, or NumPy's where no compiler takes it."""
    shapes = (_TIMED.m, _TIMED.n), (_TIMED.m, _TIMED.k), (_TIMED.k, _TIMED.n)
    out, a, b = (np.ones(shape, np.float32) for shape in shapes)
    try:
        source = _TIMED.source("product_of", tile_for(compiler.vector_bits(), precision))
        program = device.load_c("product_of", source)
    except (subprocess.CalledProcessError, OSError, RuntimeError):
        return lambda: np.matmul(a, b, out)
    addresses = [ctypes.c_uint64(address) for address in (out.ctypes.data, a.ctypes.data, b.ctypes.data, 0)]
    arrays = out, a, b
    return lambda: (program(*addresses), arrays)  # the arrays live as long as what is called
