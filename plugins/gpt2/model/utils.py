"""Shape-free odds and ends of the model."""

from __future__ import annotations

from collections.abc import Iterable


def bucket_for(count: int, buckets: Iterable[int]) -> int:
    """Return the smallest of ``buckets`` that holds ``count``."""
    return min(bucket for bucket in buckets if bucket >= count)


def format_bytes(count: float) -> str:
    """Return a byte count as people write it: ``1.63 GB``, ``20.4 MB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"
