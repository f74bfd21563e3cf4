"""Keeps the cache from growing for ever: what nothing has used for a month goes, and what a killed process left."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from pathlib import Path

UNUSED_S = 30 * 86400
UNFINISHED_S = 3600
"""Longer than writing any file takes."""

TEMPORARY = ".making-"
"""What files are called until they are whole."""

CHECKSUM = 16
"""Bytes of a checksum."""
_WARNED: set[tuple[Path, str]] = set()


def touch(path: Path) -> None:
    """Note that ``path`` was used just now."""
    with contextlib.suppress(OSError):  # in a read-only cache nothing is evicted either
        os.utime(path)


def warn_once(log: logging.Logger, folder: Path, what: str, *details: object) -> None:
    """Log a warning, once for a folder: its other files have the same fault, and are many."""
    if (folder, what) not in _WARNED:
        _WARNED.add((folder, what))
        log.warning(what, *details)


def seal(content: bytes) -> bytes:
    """Return ``content`` with a checksum at its end, by which a flipped bit is seen before its code is run."""
    return content + hashlib.blake2b(content, digest_size=CHECKSUM).digest()


def unseal(sealed: bytes) -> bytes | None:
    """Return what was sealed, or None where it is no longer that."""
    content = sealed[:-CHECKSUM]
    return content if sealed == seal(content) else None


def evict(folder: Path) -> None:
    """Delete the files in ``folder`` that are unused or unfinished; what cannot be deleted stays."""
    now = time.time()
    for path in folder.iterdir():
        limit = UNFINISHED_S if path.name.startswith(TEMPORARY) else UNUSED_S
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > limit:
                path.unlink()
