"""Writing a file whole or not at all: a kill or a full disk leaves the old one. And who may read one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def write_atomically(path: Path, *, prefix: str | None = None, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a file, for its owner alone, that takes the place of ``path`` when the block ends without raising.

    With ``durable`` it is on the disk by then, and so is its name: a power cut leaves the old file or the new one. What
    can be made again does without. ``prefix`` is what the unfinished file's name begins with. Raises OSError.
    """
    with part_of(path, prefix) as part:
        with part.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        if durable:
            sync(path.absolute().parent)


@contextlib.contextmanager
def part_of(path: Path, prefix: str | None = None) -> Iterator[Path]:
    """Yield an empty file beside ``path``, for its owner alone; it goes where it is not moved away. Raises OSError."""
    folder = path.absolute().parent
    descriptor, name = tempfile.mkstemp(prefix=prefix or f".{path.name}.", dir=folder)  # made with mode 0600
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def readable_by_others(path: Path) -> bool:
    """Tell whether anyone but its owner can read a file."""
    return path.exists() and bool(path.stat().st_mode & 0o077)
