"""Which shards a process runs: ``0-19/100``, ``7/16``, or ``auto`` for as many as Discord advises, all here."""

from __future__ import annotations

import re
from dataclasses import dataclass

FORM = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?/(\d{1,5})")
AUTO = "auto"
WANTED = "a range of shards and how many there are in all, such as 0-19/100 or 3/16, or auto"


@dataclass(frozen=True, slots=True)
class ShardRange:
    """Shards ``first`` to ``last`` of ``count``."""

    first: int
    last: int
    count: int

    @staticmethod
    def parse(text: str) -> ShardRange | None:
        """Read what a host wrote; None for ``auto``. Raises ValueError with what was expected."""
        if text.strip().lower() == AUTO:
            return None
        found = FORM.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"it must be {WANTED}")
        first, last, count = (int(part) for part in (found[1], found[2] or found[1], found[3]))
        if not first <= last < count:
            raise ValueError(f"shards are counted from 0 to {count - 1} where there are {count}; it must be {WANTED}")
        return ShardRange(first, last, count)

    @property
    def ids(self) -> tuple[int, ...]:
        """The shards' numbers."""
        return tuple(range(self.first, self.last + 1))

    def __str__(self) -> str:
        return f"{self.first}-{self.last}/{self.count}" if self.last > self.first else f"{self.first}/{self.count}"
