"""What a measurement was made on: written into every result, because numbers mean nothing without it."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from townhall_bot.machine import memory

TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")
"""Features of a processor on which the speed of matrix products hangs."""

_CPUS = Path("/sys/devices/system/cpu")


def describe() -> dict[str, Any]:
    """Return the machine in a few JSON values, the present load among them: a busy machine spoils a measurement."""
    total = memory.total_bytes()
    return {
        "cpu": _cpu_name(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": physical_cores(),
        "l3_mb": _l3_mb(),
        "memory_gb": None if total is None else round(total / 1e9, 1),
        "features": [flag for flag in TELLING_FLAGS if flag in _flags()],
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def physical_cores() -> int:
    """Return how many cores this process may use, hyper-threads of one core counted once."""
    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
    siblings = set()
    for cpu in usable:
        path = _CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        siblings.add(path.read_text().strip() if path.exists() else str(cpu))
    return len(siblings)


def _cpuinfo(*keys: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split("\t")[0].strip() in keys), "")


def _cpu_name() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _flags() -> list[str]:
    return _cpuinfo("flags", "Features").split()


def _l3_mb() -> float | None:
    path = _CPUS / "cpu0" / "cache" / "index3" / "size"
    return int(path.read_text().strip().rstrip("K")) / 1024 if path.exists() else None
