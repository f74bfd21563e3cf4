from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from plugins.gpt2.protocol import DeadlineExceeded, InvalidRequest, SamplingParams
from plugins.gpt2.service.service import GPT2Service
from tests.plugins.gpt2.fake_model import request
from tests.plugins.gpt2.fake_source import Asker, FakeSource, settings


class Clock:
    """Real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.added = 0.0

    def __call__(self) -> float:
        return time.perf_counter() + self.added


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def steps() -> threading.Semaphore:
    """Release it once for each step that the engine may make."""
    return threading.Semaphore(0)


@pytest.fixture
async def service(steps: threading.Semaphore, clock: Clock) -> AsyncIterator[GPT2Service]:
    """A service with a single row: everyone but the first waits."""

    def wait(kind: str) -> None:
        steps.acquire(timeout=20)

    source = FakeSource(rows=1, before_step=wait)
    service = GPT2Service(settings(deadline_s=500), source, clock=clock, available_memory=lambda: None)
    await service.start()
    await service.ensure_model("fake")
    yield service
    steps.release(1000)
    await service.close()


async def test_each_direct_chat_takes_turns_like_a_server_of_its_own(service: GPT2Service) -> None:
    running = Asker(service, request("running", user=1))
    await running.until(lambda: running.started)
    server = [Asker(service, replace(request("here", user=user), guild_id=7)) for user in (2, 3)]
    direct = [Asker(service, request("direct", user=user)) for user in (4, 5)]
    last = direct[1]
    await last.until(lambda: last.places)
    await server[1].until(lambda: server[1].places[-1:] == [3])
    assert [asker.places[-1] for asker in (server[0], *direct, server[1])] == [0, 1, 2, 3]


async def test_time_in_the_queue_counts_towards_the_deadline(
    service: GPT2Service, steps: threading.Semaphore, clock: Clock
) -> None:
    first = Asker(service, request("first", count=1, user=1))
    late = Asker(service, request("late", user=2))
    await late.until(lambda: late.places)
    await first.until(lambda: first.started)
    clock.added = 500  # all the time that the late one has
    steps.release()  # the first gets its token, and the engine takes up the other
    await late.done()
    assert first.finished is not None
    assert isinstance(late.error, DeadlineExceeded)
    assert "took longer" in str(late.error)


async def test_what_nobody_can_answer_does_not_wait_for_its_turn(service: GPT2Service) -> None:
    running = Asker(service, request("running", user=1))
    await running.until(lambda: running.started)
    impossible = await Asker(service, request("x", sampling=SamplingParams(temperature=9.0), user=2)).done()
    assert isinstance(impossible.error, InvalidRequest)
    assert "temperature is 9" in str(impossible.error)
    assert impossible.events == []
