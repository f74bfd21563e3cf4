"""How texts end before their time: cancelled, left, drained, or with the generator. Everyone is told, nobody hangs."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from plugins.gpt2.protocol import EngineFailed, Finished, Queued, Started
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.contract.conftest import Begin
from tests.plugins.gpt2.contract.implementations import Stage
from tests.plugins.gpt2.fake_model import greedy_text, request


async def half_written(stage: Stage, *, user: int = 1, request_id: int | None = None) -> Asker:
    """A text that has begun and goes on where the steps do."""
    stage.hold(after=6)
    asker = Asker(stage.generator, replace(request("Hello", count=100, user=user), request_id=request_id))
    await asker.until(lambda: asker.text)
    return asker


async def waits(stage: Stage, *, user: int, request_id: int | None = None) -> Asker:
    asker = Asker(stage.generator, replace(request("Me too", user=user), request_id=request_id))
    await asker.until(lambda: asker.places)
    return asker


async def test_cancelling_a_text_that_runs_ends_it_with_what_was_measured(begin: Begin) -> None:
    stage = await begin()
    running = await half_written(stage, request_id=7)
    assert await stage.generator.cancel(7)
    stage.go_on()
    await running.done()
    assert running.finished is not None
    assert running.finished.reason == "cancelled"
    tokens = running.finished.timing.new_tokens
    assert 0 < tokens < 100
    assert running.text == greedy_text("Hello", tokens)
    assert not await stage.generator.cancel(7)


async def test_cancelling_a_request_that_waits_ends_it_without_a_token_and_the_others_move_up(begin: Begin) -> None:
    stage = await begin(rows=1)
    running = await half_written(stage, request_id=7)
    waiting = await waits(stage, user=2, request_id=8)
    behind = await waits(stage, user=3, request_id=9)
    stage.advance(3)
    assert await stage.generator.cancel(8)
    await waiting.done()
    assert waiting.finished is not None
    assert waiting.finished.reason == "cancelled"
    timing = waiting.finished.timing
    assert (timing.new_tokens, timing.queue_ms, timing.total_ms) == (0, 3000, 3000)
    assert not await stage.generator.cancel(8)
    await behind.until(lambda: behind.places == [1, 0])
    await running.leave()
    stage.go_on()
    assert (await behind.done()).text == greedy_text("Me too", 10)


async def test_cancelling_what_is_not_there_says_so(begin: Begin) -> None:
    stage = await begin()
    assert not await stage.generator.cancel(7)
    assert (await Asker(stage.generator, replace(request("x", count=2), request_id=7)).done()).finished is not None
    assert not await stage.generator.cancel(7)


async def test_everything_of_one_member_is_ended_and_nothing_of_anybody_elses(begin: Begin) -> None:
    stage = await begin(rows=1)
    running = await half_written(stage, user=1)
    waiting = await waits(stage, user=1)
    his = await waits(stage, user=2)
    assert await stage.generator.cancel_member(1) == 2
    for asker in (running, waiting):
        await asker.done()
        assert isinstance(asker.error, EngineFailed)
        assert asker.refusal == "failed.cancelled"
    stage.go_on()
    assert (await his.done()).text == greedy_text("Me too", 10)
    assert await stage.generator.cancel_member(1) == 0


async def test_closing_the_events_frees_the_row_for_the_next(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.hold(after=6)
    async with aclosing(stage.generator.generate(request("Hello", count=100, user=1))) as events:
        async for event in events:
            if isinstance(event, Started):
                break
        waiting = await waits(stage, user=2)
    stage.go_on()
    assert (await waiting.done()).text == greedy_text("Me too", 10)


async def test_leaving_the_block_frees_the_place_of_who_waits(begin: Begin) -> None:
    stage = await begin(rows=1)
    running = await half_written(stage)
    async with stage.generator.admitted(request("x", user=2)) as events:
        assert isinstance(await anext(events), Queued)
        behind = await waits(stage, user=3)
        assert behind.places == [1]
    await behind.until(lambda: behind.places == [1, 0])
    stage.go_on()
    for asker in (running, behind):
        assert (await asker.done()).finished is not None


async def test_leaving_after_the_end_ends_nothing_else(begin: Begin) -> None:
    stage = await begin()
    async with stage.generator.admitted(request("x", count=2, user=1)) as events:
        seen = [event async for event in events]
        assert isinstance(seen[-1], Finished)
        await stage.told()
        assert stage.generator.status().running == 0
    assert (await Asker(stage.generator, request("y", count=2, user=1)).done()).text == greedy_text("y", 2)


async def test_draining_lets_texts_end_sends_away_who_waits_and_takes_nothing_new(begin: Begin) -> None:
    stage = await begin(rows=1)
    running = await half_written(stage)
    waiting = await waits(stage, user=2)
    draining = asyncio.create_task(stage.generator.drain())
    await waiting.done()
    assert isinstance(waiting.error, EngineFailed)
    assert waiting.refusal == "failed.draining"
    late = await Asker(stage.generator, request("Late", user=3)).done()
    assert isinstance(late.error, EngineFailed)
    assert late.refusal == "failed.draining"
    assert not draining.done()
    stage.go_on()
    await asyncio.wait_for(draining, 20)
    assert (await running.done()).text == greedy_text("Hello", 100)


async def test_draining_where_nothing_runs_is_over_at_once(begin: Begin) -> None:
    stage = await begin()
    await asyncio.wait_for(stage.generator.drain(), 20)
    late = await Asker(stage.generator, request("Late", user=3)).done()
    assert late.refusal == "failed.draining"


async def test_closing_tells_those_who_wait_and_those_who_run_and_refuses_what_comes_later(begin: Begin) -> None:
    stage = await begin(rows=1)
    running = await half_written(stage)
    waiting = await waits(stage, user=2)
    closing = asyncio.create_task(stage.generator.close())
    for asker in (running, waiting):
        await asker.done()
        assert isinstance(asker.error, EngineFailed)
        assert asker.refusal == "failed.stopping"
        assert asker.error.partial_text == asker.text
    stage.go_on()
    await closing
    late = await Asker(stage.generator, request("Late")).done()
    assert isinstance(late.error, EngineFailed)
    await stage.told()
    assert stage.generator.status().failure == "The bot is stopping."
