"""How texts end before their time: drained, cancelled, failed, or with the service. Everyone is told, nobody hangs."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from plugins.gpt2.protocol import EngineFailed, ModelUnavailable
from tests.plugins.gpt2.fake_model import greedy_text, request
from tests.plugins.gpt2.fake_source import Asker, FakeSource, Gate, Start, settings


async def test_draining_lets_texts_end_tells_the_queue_and_takes_nothing_new(start: Start) -> None:
    gate = Gate()
    service = await start(FakeSource(rows=1, before_step=gate))
    await service.ensure_model("fake")
    running = Asker(service, request("Hello", count=20, user=1))
    await running.until(lambda: running.started)
    waiting = Asker(service, request("Me too", user=2))
    await waiting.until(lambda: waiting.places)
    draining = asyncio.create_task(service.drain())
    await waiting.done()
    assert isinstance(waiting.error, EngineFailed)
    assert "about to restart" in str(waiting.error)
    late = await Asker(service, request("Late", user=3)).done()
    assert isinstance(late.error, EngineFailed)
    assert not draining.done()
    gate.open()
    await asyncio.wait_for(draining, 10)
    await running.done()
    assert running.text == greedy_text("Hello", 20)


async def test_cancelling_by_id_ends_with_what_was_measured(start: Start) -> None:
    service = await start(FakeSource(rows=1, context=100_000), settings(max_count=1000))
    await service.ensure_model("fake")
    running = Asker(service, replace(request("Hello", count=1000, user=1), request_id=7))
    await running.until(lambda: running.text)
    waiting = Asker(service, replace(request("Me too", user=2), request_id=8))
    await waiting.until(lambda: waiting.places)
    assert await service.cancel(8)
    await waiting.done()
    assert waiting.finished is not None
    assert (waiting.finished.reason, waiting.finished.timing.new_tokens) == ("cancelled", 0)
    assert await service.cancel(7)
    await running.done()
    assert running.finished is not None
    assert running.finished.reason == "cancelled"
    assert 0 < running.finished.timing.new_tokens < 1000
    assert not await service.cancel(7)


async def test_a_failing_step_keeps_what_was_written_and_the_next_request_works(start: Start) -> None:
    steps = iter(["ok"] * 5 + ["fail"])

    def before_step(kind: str) -> None:
        if next(steps, "ok") == "fail":
            raise RuntimeError("device lost")

    service = await start(FakeSource(before_step=before_step))
    asker = await Asker(service, request("Hello", count=20)).done()
    assert isinstance(asker.error, EngineFailed)
    assert asker.error.partial_text == asker.text == greedy_text("Hello", 5)
    again = await Asker(service, request("Hello", count=20)).done()
    assert again.text == greedy_text("Hello", 20)


async def test_a_model_that_fails_three_times_is_out_of_service_until_somebody_chooses_it_again(start: Start) -> None:
    failing = True

    def before_step(kind: str) -> None:
        if failing:
            raise RuntimeError("device lost")

    service = await start(FakeSource(rows=1, before_step=before_step))
    askers = [Asker(service, request("x", user=user)) for user in range(4)]
    for asker in askers:
        await asker.done()
    assert [type(asker.error) for asker in askers] == [EngineFailed] * 3 + [ModelUnavailable]
    refused = await Asker(service, request("x")).done()
    assert isinstance(refused.error, ModelUnavailable)
    assert "device lost" in str(refused.error)

    failing = False
    await service.ensure_model("fake")
    assert (await Asker(service, request("x", count=2)).done()).text == greedy_text("x", 2)


async def test_when_the_engine_thread_dies_everyone_is_told_and_nobody_hangs(start: Start) -> None:
    gate = Gate()

    def before_step(kind: str) -> None:
        gate(kind)
        raise SystemExit("a library called exit()")

    may_open = threading.Event()
    source = FakeSource(rows=1, before_step=before_step, before_open=lambda name: name == "fake" or may_open.wait(20))
    service = await start(source)
    await service.ensure_model("fake")
    askers = [Asker(service, request("x", user=user)) for user in range(3)]
    loading = asyncio.create_task(service.ensure_model("other"))
    await askers[2].until(lambda: askers[2].places)
    gate.open()
    for asker in askers:
        await asker.done()
        assert isinstance(asker.error, EngineFailed)
    may_open.set()
    with pytest.raises(ModelUnavailable):
        await loading
    assert "SystemExit" in (service.status().failure or "")
    late = await Asker(service, request("x")).done()
    assert isinstance(late.error, EngineFailed)


async def test_closing_tells_those_who_wait_and_those_who_run(start: Start) -> None:
    service = await start(FakeSource(rows=1, context=100_000), settings(max_count=1000))
    await service.ensure_model("fake")
    running = Asker(service, request("endless", count=1000, user=1))
    await running.until(lambda: running.text)
    waiting = Asker(service, request("x", user=2))
    await waiting.until(lambda: waiting.places)
    await service.close()
    await running.done()
    await waiting.done()
    assert isinstance(running.error, EngineFailed)
    assert running.error.partial_text == running.text
    assert "stopping" in str(waiting.error)


async def test_closing_does_not_wait_for_a_download(start: Start) -> None:
    begun, may_end, ended = (threading.Event() for _ in range(3))

    def download(name: str) -> None:
        begun.set()
        may_end.wait(20)
        ended.set()

    service = await start(FakeSource(before_open=download))
    assert await asyncio.to_thread(begun.wait, 20)
    await service.close()
    assert not ended.is_set()
    assert service.status().failure == "The bot is stopping."
    may_end.set()


async def test_everything_of_one_member_can_be_ended(start: Start) -> None:
    gate = Gate()
    service = await start(FakeSource(rows=1, before_step=gate))
    hers = [Asker(service, request("x", user=1)) for _ in range(2)]
    his = Asker(service, request("y", count=3, user=2))
    await his.until(lambda: his.places)
    assert await service.cancel_member(1) == 2
    for asker in hers:
        await asker.done()
        assert isinstance(asker.error, EngineFailed)
    gate.open()
    assert (await his.done()).text == greedy_text("y", 3)
