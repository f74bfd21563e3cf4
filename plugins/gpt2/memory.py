"""How much memory this machine has and has left, as far as the system says. Bytes throughout."""

from __future__ import annotations

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def total_bytes() -> int | None:
    """Return the memory of the machine, or of the container where that is less; None where it is not known."""
    try:
        machine: int | None = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        machine = None
    return _least(machine, _cgroup("memory.max"))


def available_bytes() -> int | None:
    """Return what can be taken without swapping, in the container's limit; None where it is not known."""
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    left = None if limit is None or used is None else max(0, limit - used)
    return _least(_meminfo("MemAvailable"), left)


def _meminfo(key: str) -> int | None:
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return None  # (not Linux)
    for line in lines:
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    return None


def _cgroup(name: str) -> int | None:
    try:
        text = (CGROUP / name).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max" is no limit


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)
