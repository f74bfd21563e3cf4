"""What happens to one request, or to the next few."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Fault:
    """What happens to the next matching requests.

    ``status`` None with ``cut`` False only holds them, for ``delay`` seconds or until :meth:`release`. ``after`` lets
    the request take effect first, so that only its answer is lost.
    ``body`` is a web page in place of what Discord would say, as a proxy before it answers;
    ``code`` is one of Discord's error codes. ``by_proxy`` adds the header that proxies leave.
    """

    method: str
    path: str
    times: int = 1
    status: int | None = None
    retry_after: float = 0.0
    is_global: bool = False
    cut: bool = False
    after: bool = False
    delay: float = 0.0
    body: str | None = None
    code: int = 0
    by_proxy: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event | None = None

    def release(self) -> None:
        """Let a held request go on."""
        if self.released is not None:
            self.released.set()

    @property
    def kind(self) -> str:
        """What it is, in a word or two, for a count of what happened."""
        if self.cut:
            return "connections cut"
        if self.status == 429:
            return "rate limits"
        return "slow answers" if self.status is None else "server errors"
