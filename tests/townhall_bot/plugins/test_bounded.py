"""Calls of a plugin's code end in time, whatever that does."""

from __future__ import annotations

import asyncio

import pytest

from townhall_bot.plugins import bounded as module
from townhall_bot.plugins.bounded import End, bounded


async def test_a_value_and_every_error_is_told() -> None:
    async def value() -> int:
        return 7

    async def leave() -> None:
        raise SystemExit(3)

    async def cancelled_itself() -> None:
        raise asyncio.CancelledError

    assert await bounded(value, 5) == End(7)
    assert isinstance((await bounded(leave, 5)).error, SystemExit)
    assert isinstance((await bounded(cancelled_itself, 5)).error, asyncio.CancelledError)


async def test_one_that_will_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0)
    may_end = asyncio.Event()

    async def stubborn() -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    assert (await bounded(stubborn, 0)).late
    may_end.set()


async def test_a_caller_that_is_cancelled_takes_the_call_along() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def call() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(bounded(call, 60))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()
