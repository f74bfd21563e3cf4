"""Which texts ended a moment ago, so that a press meant for *Stop* does not begin another text.

*Again* stands where *Stop* stood. Who presses *Stop* twice, or as the text ends by itself, presses *Again*.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MOMENT_S = 1.5
"""For so long after a text's last edit, a press may have been meant for what stood there before."""
KEPT = 256
"""How many ended texts are looked at, the newest."""


class RecentEnds:
    """When the last edit of each text was on its way. ``clock`` is in seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, moment_s: float = MOMENT_S) -> None:
        self._clock = clock
        self._moment_s = moment_s
        self._ended: dict[int, float] = {}

    def note(self, request_id: int) -> None:
        """Note that this request's buttons change now."""
        self._ended.pop(request_id, None)
        self._ended[request_id] = self._clock()
        if len(self._ended) > KEPT:
            del self._ended[next(iter(self._ended))]

    def is_fresh(self, request_id: int) -> bool:
        """Tell whether that was a moment ago."""
        ended = self._ended.get(request_id)
        return ended is not None and self._clock() - ended < self._moment_s
