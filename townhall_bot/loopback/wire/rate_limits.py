"""Rate limits as Discord runs them: a bucket for each route and its major parameters, told in headers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from townhall_bot.loopback.world.clock import Clock

GLOBAL_LIMIT = 50
"""Requests per second of one bot over all routes; interaction callbacks and webhooks do not count."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``limit`` requests in ``seconds``."""

    limit: int
    seconds: float


@dataclass(slots=True)
class _Window:
    used: int
    resets_at: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the limiter says of a request. ``retry_after`` is None where it may pass."""

    headers: dict[str, str]
    retry_after: float | None = None
    is_global: bool = False


class RateLimiter:
    """Counts requests in fixed windows. ``scale`` shortens every window, so that tests need not sit them out."""

    def __init__(self, clock: Clock, scale: float = 1.0) -> None:
        self._clock = clock
        self._scale = scale
        self._windows: dict[tuple[str, ...], _Window] = {}
        self._next_sweep = 1024

    def take(self, rate: Rate, route: str, majors: tuple[str, ...], *, counts_globally: bool) -> Verdict:
        """Count a request to ``route`` and say whether it may pass."""
        now = self._clock()
        self._sweep(now)
        if counts_globally:
            everything = self._window(("global",), now, 1.0)
            everything.used += 1
            if everything.used > GLOBAL_LIMIT:
                return limited(everything.resets_at - now, is_global=True)
        window = self._window((route, *majors), now, rate.seconds)
        window.used += 1
        left = max(0.0, window.resets_at - now)
        headers = _headers(rate, route, rate.limit - window.used, now, left)
        if window.used > rate.limit:
            return limited(left, headers=headers)
        return Verdict(headers)

    def exhausted(self, rate: Rate | None, route: str, retry_after: float, *, is_global: bool) -> Verdict:
        """Return the verdict of a 429 that a fault brings, with the headers of the route's bucket."""
        headers = {} if rate is None else _headers(rate, route, 0, self._clock(), retry_after)
        return limited(retry_after, is_global=is_global, headers=headers)

    def _window(self, key: tuple[str, ...], now: float, seconds: float) -> _Window:
        window = self._windows.get(key)
        if window is None or now >= window.resets_at:
            window = self._windows[key] = _Window(0, now + seconds * self._scale)
        return window

    def _sweep(self, now: float) -> None:
        # Each interaction has a bucket of its own; forgetting finished ones keeps a long run's memory flat.
        if len(self._windows) >= self._next_sweep:
            self._windows = {key: window for key, window in self._windows.items() if window.resets_at > now}
            self._next_sweep = max(1024, 2 * len(self._windows))


def _headers(rate: Rate, route: str, remaining: int, now: float, left: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(rate.limit),
        "X-RateLimit-Remaining": str(max(0, remaining)),
        "X-RateLimit-Reset": f"{now + left:.3f}",
        "X-RateLimit-Reset-After": f"{left:.3f}",
        "X-RateLimit-Bucket": hashlib.sha1(route.encode(), usedforsecurity=False).hexdigest(),
    }


def limited(retry_after: float, *, is_global: bool = False, headers: dict[str, str] | None = None) -> Verdict:
    """Return the verdict of a 429 with the headers that clients look at."""
    scope = {"X-RateLimit-Scope": "global" if is_global else "user", "Retry-After": str(max(1, round(retry_after)))}
    extra = {"X-RateLimit-Global": "true"} if is_global else {}
    return Verdict({**(headers or {}), **scope, **extra}, retry_after, is_global)
