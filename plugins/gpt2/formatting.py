"""Numbers as people read them."""

from __future__ import annotations

import re

from townhall_bot.i18n.formatting import Amount

_PATH = re.compile(r"(?<![\w.:/~-])~?(?:/[^\s/:;,'\"()]+)+/?")


def parameters(count: int) -> Amount:
    """Return a count of parameters: 26k, 10M, 124M, 1.6B."""
    if count < 999_500:
        return Amount(count, f"{count / 1e3:.0f}k")
    return Amount(count, f"{count / 1e6:.0f}M" if count < 999_500_000 else f"{count / 1e9:.1f}B")


def without_folders(text: str) -> str:
    """Return ``text`` with absolute paths cut to their last part: where the host keeps files is the host's business."""
    return _PATH.sub(lambda match: match.group().rstrip("/").rpartition("/")[2], text)


def detail(error: BaseException) -> str:
    """Return what an exception says as part of a sentence: without folders, and without a full stop of its own."""
    return without_folders(str(error) or type(error).__name__).rstrip(".")


def duration(seconds: float) -> str:
    """Return a wait: 8 s, 3 min."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def seconds(ms: float) -> Amount:
    """Return milliseconds as a person reads what was measured: 12 ms, 1.2 s."""
    return Amount(ms, f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s")


def rate(per_second: float) -> Amount:
    """Return how many a second: 45.7, 240."""
    return Amount(per_second, f"{per_second:.{0 if per_second >= 100 else 1}f}")


def number(value: float) -> Amount:
    """Return a number that a person has set or may set: 300, 0.95."""
    return Amount(value, f"{value:.16g}")
