"""How fast this machine reads memory: the limit of one stream's speed, as each token reads every weight once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def read_rate(threads: int, megabytes: int, rounds: int) -> float:
    """Return the GB/s at which ``threads`` together read ``megabytes`` of memory again and again.

    Each thread takes the maximum of a slice of its own: NumPy does that with vector instructions and without the
    interpreter's lock. The best of the rounds counts, because only disturbance makes a round slower.
    """
    memory = np.ones(megabytes * 1_000_000 // 4, np.float32)
    slices = np.array_split(memory, threads)
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(rounds):
            begin = time.perf_counter()
            list(pool.map(np.max, slices))
            best = min(best, time.perf_counter() - begin)
    return memory.nbytes / best / 1e9
