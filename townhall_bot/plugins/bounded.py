"""Calling what a plugin wrote: for so long and no longer, and whatever it raises is told, not raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

GRACE_S = 2.0
"""How long a call that was cancelled may take to end. One that goes on is left behind."""


@dataclass(frozen=True, slots=True)
class End(Generic[T]):
    """How a call ended: with a value, with an error, or ``late``, because it took too long."""

    value: T | None = None
    error: BaseException | None = None
    late: bool = False


async def bounded(call: Callable[[], Awaitable[T]], seconds: float) -> End[T]:
    """Call and await; return how that ended within ``seconds``.

    Errors are what ``call`` raises, SystemExit and a cancellation of its own included. Raises CancelledError only where
    the caller itself is cancelled; the call has been cancelled then.
    """

    async def contained() -> End[T]:
        try:
            return End(await call())
        except (Exception, SystemExit) as error:  # who exits ends itself, not the bot
            return End(error=error)

    task = asyncio.create_task(contained())
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _end(task)
        raise
    if not done:
        await _end(task)
        return End(late=True)
    return End(error=asyncio.CancelledError("it was cancelled from within")) if task.cancelled() else task.result()


async def _end(task: asyncio.Task[End[T]]) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_S)
