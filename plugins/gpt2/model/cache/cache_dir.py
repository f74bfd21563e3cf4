"""Keeps the cache from growing for ever: what nothing has used for a month goes, and what a killed process left."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

UNUSED_S = 30 * 86400
UNFINISHED_S = 3600
"""Longer than writing any file takes."""

TEMPORARY = ".making-"
"""What files are called until they are whole."""


def touch(path: Path) -> None:
    """Note that ``path`` was used just now."""
    with contextlib.suppress(OSError):  # in a read-only cache nothing is evicted either
        os.utime(path)


def evict(folder: Path) -> None:
    """Delete the files in ``folder`` that are unused or unfinished; what cannot be deleted stays."""
    now = time.time()
    for path in folder.iterdir():
        limit = UNFINISHED_S if path.name.startswith(TEMPORARY) else UNUSED_S
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > limit:
                path.unlink()
