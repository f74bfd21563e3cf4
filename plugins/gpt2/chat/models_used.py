"""Which models wrote on a server within a day: where they are several, each text names its own."""

from __future__ import annotations

import time
from collections.abc import Callable

DAY_S = 86_400.0
SERVERS = 1000
"""How many servers are kept in mind, those that wrote last."""


class ModelsUsed:
    """The models of this run of the bot, by server. ``clock`` is in seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used: dict[int, dict[str, float]] = {}

    def are_several(self, guild_id: int | None, model: str) -> bool:
        """Note that ``model`` writes there now, and tell whether another one did within a day."""
        if guild_id is None:
            return False
        now, used = self._clock(), self._used.pop(guild_id, {})
        self._used[guild_id] = {name: at for name, at in used.items() if now - at < DAY_S} | {model: now}
        if len(self._used) > SERVERS:
            del self._used[next(iter(self._used))]
        return len(self._used[guild_id]) > 1
