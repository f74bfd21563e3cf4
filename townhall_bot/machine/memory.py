"""How much memory this machine has and has left, as far as the system says. Bytes throughout.

Where a container or a service has a limit of its own, the least of what is found counts: the kernel's control groups
nest, and each level may have one (``man 7 cgroups``; version 1 is what Docker has on older systems).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
OWN_GROUPS = Path("/proc/self/cgroup")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class _Names:
    """What the files of a control group are called."""

    limit: str
    used: str
    reclaimable: str
    """The line of ``memory.stat`` with the cached files that make room when memory is asked for."""


_VERSION_2 = _Names("memory.max", "memory.current", "inactive_file")
_VERSION_1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def total_bytes() -> int | None:
    """Return the memory of the machine, or of the container where that is less; None where it is not known."""
    try:
        machine: int | None = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        machine = None
    return _least(machine, *(_number(folder / names.limit) for folder, names in _groups()))


def available_bytes() -> int | None:
    """Return what can be taken without swapping, within the limits; None where it is not known."""
    return _least(_line(MEMINFO, "MemAvailable:", 1024), *(_left(folder, names) for folder, names in _groups()))


def _left(folder: Path, names: _Names) -> int | None:
    limit, used = _number(folder / names.limit), _number(folder / names.used)
    if limit is None or used is None:
        return None
    return max(0, limit - used + (_line(folder / "memory.stat", names.reclaimable) or 0))


def _groups() -> Iterator[tuple[Path, _Names]]:
    """Yield the folders of this process's groups, and of those around them up to the outermost that can be seen."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        lines = []  # (not Linux)
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, names = (CGROUP / "memory", _VERSION_1) if controllers else (CGROUP, _VERSION_2)
        own = Path(path.lstrip("/"))
        for inner in (own, *own.parents):
            yield top / inner, names


def _line(path: Path, key: str, unit: int = 1) -> int | None:
    """Return the number behind ``key`` at the beginning of a line."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * unit for line in lines if line.split()[:1] == [key]), None)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max" is no limit


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)
