"""Odds and ends of the model that know no tensors: which of the captured steps a piece of work takes."""

from __future__ import annotations

import functools
from collections.abc import Iterable

PASS_SLOTS = 8
"""So many slots more could be computed in the time in which a step reads all weights."""


def bucket_for(count: int, buckets: Iterable[int]) -> int:
    """Return the smallest of ``buckets`` that holds ``count``."""
    return min(bucket for bucket in buckets if bucket >= count)


def steps_for(length: int, slices: tuple[int, ...]) -> tuple[int, ...]:
    """Return the steps that read ``length`` tokens fastest; only the last may hold fewer tokens than slots.

    Each step reads all weights, and slots without a token are computed like any other.
    """
    longest = slices[-1]
    whole = max(0, length - 1) // longest
    return (longest,) * whole + _fewest(length - whole * longest, slices)


@functools.cache
def _fewest(length: int, slices: tuple[int, ...]) -> tuple[int, ...]:
    if length <= 0:
        return ()
    ways = ((size, *_fewest(length - size, slices)) for size in reversed(slices))
    return min(ways, key=lambda way: sum(way) + PASS_SLOTS * len(way))
