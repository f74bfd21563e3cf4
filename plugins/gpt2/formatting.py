"""Numbers as people read them."""

from __future__ import annotations

import re

from townhall_bot.formatting import Amount

_PATH = re.compile(r"(?<![\w.:/~-])~?(?:/[^\s/:;,'\"()]+)+/?")


def parameters(count: int) -> Amount:
    """Return a count of parameters: 10M, 124M, 1.6B."""
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
