"""Numbers as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """Return bytes in decimal units, as file managers show them: 548 MB, 1.52 GB."""
    if count < 999_500_000:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.2f} GB"


def parameters(count: int) -> str:
    """Return a count of parameters: 10M, 124M, 1.6B."""
    return f"{count / 1e6:.0f}M" if count < 999_500_000 else f"{count / 1e9:.1f}B"


def duration(seconds: float) -> str:
    """Return a wait: 8 s, 3 min."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
