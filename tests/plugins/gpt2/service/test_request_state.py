from __future__ import annotations

import asyncio
import contextlib

import pytest

from plugins.gpt2.messages import message
from plugins.gpt2.protocol import EngineFailed, Queued, Started, Text
from plugins.gpt2.service.request_state import RequestState
from tests.plugins.gpt2.fake_model import request


@pytest.fixture
def state() -> RequestState:
    return RequestState(1, request("Hello"), submitted=0.0)


async def heard(state: RequestState) -> list[object]:
    """Everything that the listener has not heard yet."""
    found: list[object] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            while True:
                found.append(await state.get())
    return found


async def test_who_listens_slowly_hears_the_latest_place_and_the_text_in_one_piece(state: RequestState) -> None:
    for ahead in range(1000, -1, -1):
        state.put(Queued(ahead))
    state.put(Started())
    for letter in "Hello there":
        state.put(Text(letter))
    assert await heard(state) == [Queued(0), Started(), Text("Hello there")]


async def test_nothing_follows_the_end(state: RequestState) -> None:
    state.put(Text("a"))
    state.put(EngineFailed(message("failed.stopping"), "a"))
    state.put(Text("b"))
    assert await state.get() == Text("a")
    with pytest.raises(EngineFailed):
        await state.get()
    assert await heard(state) == []
    assert state.text == "a"
