"""Which file around the database this process may not use, whose it is, and the cure."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path


def barrier(path: Path, *, writes: bool = True) -> tuple[str, str] | None:
    """Return what is in the way of using the database ``path``, and the cure; None where no file's rights are."""
    needed = os.R_OK | os.W_OK if writes else os.R_OK
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
    for place in (path.parent, path, *beside):
        wanted = needed | os.X_OK if place == path.parent else needed
        try:
            found = place.stat()
            medium_is_read_only = os.statvfs(place).f_flag & os.ST_RDONLY
        except OSError:  # not there, or behind a folder that has been looked at
            continue
        if medium_is_read_only or os.access(place, wanted, effective_ids=os.access in os.supports_effective_ids):
            continue
        return _whose(place, found)
    return None


def _whose(place: Path, found: os.stat_result) -> tuple[str, str]:
    user = os.geteuid()
    owner, me, mode = _name(found.st_uid), _name(user), f"{stat.S_IMODE(found.st_mode):04o}"
    folder = stat.S_ISDIR(found.st_mode)
    if found.st_uid == user:
        return f"{place} has the mode {mode}", f"Run `chmod u+rw{'x' if folder else ''} {place}`."
    change = f"chown {'-R ' if folder else ''}{me} {place}"
    return (
        f"{place} belongs to {owner} (mode {mode}), and this runs as {me}",
        f"Run `{change}` as root, or run this as {owner}.",
    )


def _name(uid: int) -> str:
    """Return the user's name, or the number where the system knows none, as in many containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
