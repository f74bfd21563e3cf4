"""How long a bot serves: until a signal comes, or for a block of code; then everything is let go of."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from townhall_bot.ops.health import HealthPage
from townhall_bot.plugins.reload import Changes, reload_changed

if TYPE_CHECKING:
    from townhall_bot.bot import Townhall

log = logging.getLogger("townhall.bot")


RELOAD = signal.SIGUSR1
"""Asks a bot that serves to bring its changed plugins up anew. Not SIGHUP: a terminal that closes sends that."""


async def serve_until_stopped(bot: Townhall, token: str) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP, then drain and stop cleanly; a second signal cuts the draining short.

    :data:`RELOAD` reloads what changed. Raises what the bot's ``start`` raises.
    """
    page = HealthPage(bot, bot.settings.health_host, bot.settings.health_port)
    try:
        with _signals() as signals, _reloading(bot):
            if bot.settings.health_port:
                await page.start()
            serving = asyncio.create_task(bot.start(token), name="townhall-serve")
            await _until_stopped(bot, serving, signals)
    finally:
        await bot.close()
        await page.stop()
    serving.cancel()
    await asyncio.wait({serving})
    if not serving.cancelled() and (error := serving.exception()) is not None:
        raise error


@asynccontextmanager
async def running(bot: Townhall, token: str, *, within_s: float | None = None) -> AsyncIterator[None]:
    """Let a bot serve beside other code: from when it is ready until the block ends; then it is stopped cleanly.

    Raises what the bot's ``start`` raises, TimeoutError where it is not ready after ``within_s`` seconds.
    """
    serving = asyncio.create_task(bot.start(token), name="townhall-serve")
    ready = asyncio.create_task(bot.started.wait(), name="townhall-ready")
    try:
        await asyncio.wait({ready, serving}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving  # raises what went wrong
        elif not ready.done():
            raise TimeoutError(f"the bot was not ready after {within_s:g} s")
        yield
    finally:
        ready.cancel()
        await bot.close()
        serving.cancel()
        await asyncio.gather(ready, serving, return_exceptions=True)


@contextmanager
def _signals() -> Iterator[asyncio.Queue[int]]:
    """Yield a queue of the signals that come. Afterwards they do what they always do: Ctrl-C ends a stop that hangs."""
    loop, signals = asyncio.get_running_loop(), asyncio.Queue[int]()
    # A terminal that closes, or a connection that breaks, sends SIGHUP; nohup has it ignored, and it stays so.
    hang_up = (signal.SIGHUP,) if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else ()
    numbers = (signal.SIGINT, signal.SIGTERM, *hang_up)
    for number in numbers:
        loop.add_signal_handler(number, signals.put_nowait, number)
    try:
        yield signals
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextmanager
def _reloading(bot: Townhall) -> Iterator[None]:
    """Reload changed plugins whenever :data:`RELOAD` comes, until the block ends."""
    loop, changes, under_way = asyncio.get_running_loop(), Changes(bot), set[asyncio.Task[None]]()

    def begin() -> None:
        if bot.plugins_up and not bot.draining:
            task = loop.create_task(reload_changed(bot, changes), name="townhall-reload")
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    loop.add_signal_handler(RELOAD, begin)
    try:
        yield
    finally:
        loop.remove_signal_handler(RELOAD)
        signal.signal(RELOAD, signal.SIG_IGN)  # by default it would end a bot that is stopping
        for task in under_way:
            task.cancel()


async def _until_stopped(bot: Townhall, serving: asyncio.Task[None], signals: asyncio.Queue[int]) -> None:
    """Return when ``serving`` has ended by itself, or the bot is ready to be closed after a signal."""
    signalled = asyncio.create_task(signals.get(), name="townhall-signal")
    try:
        await asyncio.wait({serving, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if not signalled.done():
            return
        log.info("stopping, on %s", signal.Signals(signalled.result()).name)
        if bot.plugins_up:  # people may be served before discord.py calls the client ready
            await _drain(bot, signals)
        else:  # plugins must not be stopped while they still start
            serving.cancel()
            await asyncio.wait({serving})
    finally:
        signalled.cancel()


async def _drain(bot: Townhall, signals: asyncio.Queue[int]) -> None:
    """Drain as long as the settings allow, or until another signal comes."""
    draining = asyncio.create_task(bot.drain(bot.settings.drain_s), name="townhall-drain")
    hurried = asyncio.create_task(signals.get(), name="townhall-hurry")
    await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
    for task in (draining, hurried):
        task.cancel()
    await asyncio.wait({draining, hurried})
