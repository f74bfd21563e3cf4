"""Requests at the door, in the queue and on their rows: fair, within bounds, and each with its own text."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from plugins.gpt2.protocol import (
    Busy,
    DeadlineExceeded,
    Finished,
    GenerationRequest,
    InvalidRequest,
    SamplingParams,
    Started,
    Text,
)
from tests.plugins.gpt2.fake_model import greedy_text, request
from tests.plugins.gpt2.fake_source import Asker, FakeSource, Gate, Start, settings


async def test_a_text_comes_as_pieces_between_started_and_finished(start: Start) -> None:
    service = await start(FakeSource())
    await service.ensure_model("fake")
    asker = await Asker(service, request("Hello", count=12)).done()
    assert isinstance(asker.events[0], Started)
    assert all(isinstance(event, Text) for event in asker.events[1:-1])
    assert isinstance(asker.events[-1], Finished)
    assert asker.text == greedy_text("Hello", 12)
    assert asker.events[-1].timing.model == "fake"


async def test_a_request_before_the_model_is_there_waits_for_it(start: Start) -> None:
    may_open = threading.Event()
    service = await start(FakeSource(before_open=lambda name: may_open.wait(20)))
    asker = Asker(service, request("Hello", count=5))
    await asker.until(lambda: asker.places)
    assert asker.places == [0]
    assert service.status().loading is not None
    may_open.set()
    await asker.done()
    assert asker.text == greedy_text("Hello", 5)
    assert service.status().loading is None


async def test_places_in_the_queue_are_fair_and_live(start: Start) -> None:
    gate = Gate()
    service = await start(FakeSource(rows=1, before_step=gate))
    await service.ensure_model("fake")
    first = Asker(service, request("first", user=1))
    await asyncio.sleep(0)
    own = Asker(service, request("own second", user=1))
    await own.until(lambda: own.places)
    other = Asker(service, request("other", user=2))
    await other.until(lambda: other.places)
    another = Asker(service, request("another", user=3))
    await another.until(lambda: another.places)
    assert (own.places, other.places, another.places) == ([0], [1], [2])

    again = Asker(service, request("own third", user=1))
    await again.until(lambda: again.places)
    assert again.places == [3]  # behind everyone else's first

    await other.leave()
    await again.until(lambda: len(again.places) == 2)
    assert another.places[-1] == 1
    assert again.places[-1] == 2

    gate.open()
    for asker in (first, own, another, again):
        await asker.done()
        assert asker.finished is not None
    assert again.places[-1] == 0


async def test_rows_are_shared_by_as_many_as_there_are(start: Start) -> None:
    gate = Gate()
    source = FakeSource(rows=2, before_step=gate)
    service = await start(source)
    await service.ensure_model("fake")
    askers = [Asker(service, request(f"prompt {i}", user=i)) for i in range(5)]
    await askers[4].until(lambda: askers[4].places)
    status = service.status()
    assert (status.running, status.queued) == (2, 3)
    gate.open()
    for i, asker in enumerate(askers):
        await asker.done()
        assert asker.text == greedy_text(f"prompt {i}", 10)
    assert max(size for kind, size in source.models[0].steps if kind == "decode") == 2
    status = service.status()
    assert (status.running, status.queued, status.models) == (0, 0, ("fake",))


async def test_leaving_frees_the_row_for_the_next(start: Start) -> None:
    service = await start(FakeSource(rows=1, context=100_000), settings(max_count=1000))
    await service.ensure_model("fake")
    endless = Asker(service, request("endless", count=1000, user=1))
    await endless.until(lambda: endless.started)
    waiting = Asker(service, request("next", count=3, user=2))
    await endless.leave()
    await waiting.done()
    assert waiting.text == greedy_text("next", 3)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (request("x", count=0), ["count is 0", "1 to 300"]),
        (request("x", count=301), ["count is 301", "1 to 300"]),
        (request("x" * 6001), ["6,001 characters", "6,000"]),
        (request("x", sampling=SamplingParams(temperature=3)), ["temperature", "0 to 2"]),
    ],
)
async def test_values_out_of_bounds_are_refused_at_the_door(
    start: Start, bad: GenerationRequest, words: list[str]
) -> None:
    service = await start(FakeSource())
    asker = await Asker(service, bad).done()
    assert isinstance(asker.error, InvalidRequest)
    assert all(word in str(asker.error) for word in words)


async def test_one_member_gets_no_more_than_their_share(start: Start) -> None:
    gate = Gate()
    service = await start(FakeSource(before_step=gate), settings(member_limit=2))
    askers = [Asker(service, request("x", user=1)) for _ in range(2)]
    refused = await Asker(service, request("x", user=1)).done()
    assert isinstance(refused.error, Busy)
    assert "2 texts on the way" in str(refused.error)
    other = Asker(service, request("x", user=2))
    gate.open()
    for asker in (*askers, other):
        assert (await asker.done()).finished is not None
    assert (await Asker(service, request("x", user=1)).done()).finished is not None


async def test_one_server_gets_no_more_than_its_share(start: Start) -> None:
    gate = Gate()
    service = await start(FakeSource(before_step=gate), settings(guild_limit=2))
    askers = [Asker(service, replace(request("x", user=user), guild_id=7)) for user in (1, 2)]
    refused = await Asker(service, replace(request("x", user=3), guild_id=7)).done()
    assert isinstance(refused.error, Busy)
    assert "This server has 2 texts" in str(refused.error)
    elsewhere = Asker(service, replace(request("x", user=3), guild_id=8))
    gate.open()
    for asker in (*askers, elsewhere):
        assert (await asker.done()).finished is not None


async def test_a_full_queue_says_when_to_try_again(start: Start) -> None:
    gate = Gate()
    service = await start(FakeSource(rows=1, before_step=gate), settings(queue_limit=2))
    await service.ensure_model("fake")
    askers = [Asker(service, request("x", user=user)) for user in range(3)]
    refused = await Asker(service, request("x", user=9)).done()
    assert isinstance(refused.error, Busy)
    assert "2 are waiting" in str(refused.error)
    assert "try again in about" in str(refused.error)
    gate.open()
    for asker in askers:
        await asker.done()


async def test_a_deadline_ends_what_runs_and_what_waits(start: Start) -> None:
    gate = Gate()
    service = await start(FakeSource(rows=1, before_step=gate), settings(deadline_s=0.2))
    await service.ensure_model("fake")
    running = Asker(service, request("x", user=1))
    waiting = Asker(service, request("x", user=2))
    await running.done()
    await waiting.done()
    assert isinstance(running.error, DeadlineExceeded)
    assert "took longer" in str(running.error)
    assert isinstance(waiting.error, DeadlineExceeded)
    assert "waited longer" in str(waiting.error)
    gate.open()
