"""One training of a name at a time, by a lock that the system lets go of however its holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

FILE = "lock"


class AlreadyTrained(RuntimeError):
    """Another process trains this model."""


@contextlib.contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold a run's folder. Raises :class:`AlreadyTrained` where somebody else does, and OSError."""
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyTrained(f"{name} is being trained by another process; wait for it, or stop it.") from None
        yield
    finally:
        os.close(descriptor)
