"""One bot per data folder: a lock that the operating system lets go of when its holder ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from townhall_bot.store.schema import told_of

log = logging.getLogger("townhall.lock")

FILE = "townhall.lock"
LOCAL = "local"
"""The folder of `townhall local` in a data folder: what is tried there is its own."""
LOOK_AGAIN_S = 0.1

T = TypeVar("T")


class Held(Exception):
    """Another bot holds the lock. The message says which, since when, and what to do."""


@contextlib.contextmanager
def held(
    data_dir: Path,
    wait_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    shared: bool = False,
) -> Iterator[None]:
    """Hold the data folder's lock; wait up to ``wait_s`` seconds for another bot to stop, then raise :class:`Held`.

    ``shared``: beside others that share it, and nobody else: processes of one bot with shards of their own.
    Blocks, so it is for the time before the event loop runs. The file itself stays: removing it would let two bots
    hold two files of one name. Raises :class:`StoreError` where the folder cannot be used.
    """
    path = data_dir / FILE
    with told_of(path):
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:  # left to root, it would keep out the bot's own user
            owner = data_dir.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        _acquire(descriptor, path, wait_s, clock, sleep, share if shared else try_hold)
        sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def sign(descriptor: int) -> None:
    """Write into a lock's file who holds it."""
    note = json.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, note.encode(), 0)


def who(path: Path) -> str:
    """Return who signed a lock's file, in words."""
    with told_of(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _who(descriptor)
    finally:
        os.close(descriptor)


def holder(data_dir: Path) -> str | None:
    """Return who holds the lock, in words; None where nobody does."""
    return _of_holder(data_dir, _who)


def holders_pid(data_dir: Path) -> int | None:
    """Return the process id of the bot that holds the lock; None where nobody does, or it has just started."""
    return _of_holder(data_dir, _pid)


def _of_holder(data_dir: Path, tell: Callable[[int], T | None]) -> T | None:
    """Return what ``tell`` reads out of the lock's file; None where nobody holds the lock."""
    try:
        descriptor = os.open(data_dir / FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if try_hold(descriptor) else tell(descriptor)
    finally:
        os.close(descriptor)


def _acquire(
    descriptor: int,
    path: Path,
    wait_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    attempt: Callable[[int], bool],
) -> None:
    until = clock() + wait_s
    told = False
    while not attempt(descriptor):
        if clock() >= until:
            raise Held(
                f"another Townhall uses {path.parent}: {_who(descriptor)}. Stop that one first, or give this one a "
                "folder of its own with TOWNHALL_DATA_DIR."
            )
        if not told:
            told = True
            log.warning("waiting up to %.0f s for another Townhall to stop: %s", wait_s, _who(descriptor))
        sleep(LOOK_AGAIN_S)


def try_hold(descriptor: int) -> bool:
    """Take a file's lock; return whether it could be had."""
    return _flock(descriptor, fcntl.LOCK_EX)


def share(descriptor: int) -> bool:
    """Take a file's lock beside others that share it; return whether it could be had."""
    return _flock(descriptor, fcntl.LOCK_SH)


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _who(descriptor: int) -> str:
    note = _note(descriptor)
    return "a process that has just started" if note is None else "process {}, running since {}".format(*note)


def _pid(descriptor: int) -> int | None:
    note = _note(descriptor)
    return None if note is None else note[0]


def _note(descriptor: int) -> tuple[int, str] | None:
    """Return the holder's process id and since when it runs, None before it has written them."""
    try:
        note = json.loads(os.pread(descriptor, 1000, 0))
        return int(note["pid"]), str(note["since"])
    except (ValueError, KeyError, TypeError):
        return None
