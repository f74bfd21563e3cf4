"""Training makes way for whatever else the machine does."""

from __future__ import annotations

import contextlib
import os

LOWEST = 19


def make_way() -> None:
    """Give this process the lowest priority; threads that it starts have it too. Must run before they start."""
    with contextlib.suppress(OSError):
        os.nice(LOWEST)
    if hasattr(os, "sched_setscheduler"):  # Linux: it runs where nobody else wants to, and gives way at once
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
