"""Keeps the log readable, and the disk free, where the same line comes again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

MOST = 30
"""Lines of one kind within :data:`WITHIN_S`; what comes beyond is counted."""
WITHIN_S = 60.0
KINDS = 500
"""How many kinds of lines are remembered."""


class Repetition(logging.Filter):
    """Lets through so many records a minute that say the same, from the same line of code; tells how many it left out.

    ``clock`` is in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is written."""
        if record.levelno < logging.WARNING:
            return True
        kind = (record.name, record.pathname, record.lineno, str(record.msg).partition("\n")[0])
        now = self._clock()
        began, count = self._seen.get(kind, (now, 0))
        if now - began >= WITHIN_S:
            if count > MOST:
                record.msg = f"{record.getMessage()} (and {count - MOST} more times since the last such line)"
                record.args = ()
            began, count = now, 0
        if len(self._seen) >= KINDS:
            self._seen.clear()
        self._seen[kind] = began, count + 1
        return count < MOST
