"""Shape-free odds and ends of the model."""

from __future__ import annotations

from collections.abc import Iterable


def bucket_for(count: int, buckets: Iterable[int]) -> int:
    """Return the smallest of ``buckets`` that holds ``count``."""
    return min(bucket for bucket in buckets if bucket >= count)
