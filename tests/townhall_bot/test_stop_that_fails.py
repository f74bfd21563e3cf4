"""A plugin that cannot stop cleanly, or a machine that gives no thread: the others, and the data, are let go of."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

import pytest

from tests.plugins.gpt2.fake_plugin import begin
from townhall_bot.plugins import Plugin, bounded, host
from townhall_bot.store import StoreError
from townhall_bot.testkit import RunningTownhall, StartTownhall

stopped: list[str] = []


def stopping(called: str, stop_: Callable[[], Awaitable[None]]) -> type[Plugin]:
    class Stopping(Plugin):
        name = called

        def commands(self) -> tuple[()]:
            return ()

        async def stop(self) -> None:
            await stop_()
            stopped.append(called)

    return Stopping


async def well() -> None:
    return


async def cancelled() -> None:
    raise asyncio.CancelledError


async def leave() -> None:
    raise SystemExit("gone")


async def no_memory() -> None:
    raise MemoryError


async def needs_a_thread() -> None:
    threading.Thread(target=len, args=("",)).start()


async def never() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


async def let_go(running: RunningTownhall) -> None:
    assert running.bot.is_closed()
    with pytest.raises(StoreError, match="closed"):
        await running.bot.store.get_value("key")


@pytest.mark.parametrize(
    "failing", [cancelled, leave, no_memory, needs_a_thread, never], ids=lambda each: each.__name__
)
async def test_one_that_cannot_stop_keeps_nobody_else(
    start_townhall: StartTownhall, monkeypatch: pytest.MonkeyPatch, failing: Callable[[], Awaitable[None]]
) -> None:
    monkeypatch.setattr(host, "STOP_TIMEOUT", 0.05)
    monkeypatch.setattr(bounded, "GRACE_S", 0)
    stopped.clear()
    running = await start_townhall(stopping("first", well), stopping("failing", failing), stopping("last", well))
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_thread)
        await running.stop()
    assert sorted(stopped) == ["first", "last"]
    assert "failed at stop()" in (running.bot.plugins["failing"].failure or "")
    await let_go(running)


async def test_gpt2_stops_without_a_thread(start_townhall: StartTownhall, monkeypatch: pytest.MonkeyPatch) -> None:
    running = await begin(start_townhall)
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_thread)
        await running.stop()
    assert running.bot.plugins["gpt2"].failure is None
    await let_go(running)
