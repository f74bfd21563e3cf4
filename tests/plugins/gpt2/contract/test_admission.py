"""Who gets a place: bounds, shares and the deadline."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from plugins.gpt2.protocol import Busy, DeadlineExceeded, GenerationRequest, InvalidRequest, Limits, SamplingParams
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.contract.conftest import Begin
from tests.plugins.gpt2.fake_model import request


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (request("x", count=0), ["count is 0", "1 to 300"]),
        (request("x", count=301), ["count is 301", "1 to 300"]),
        (request("x" * 6001), ["6,001 characters", "6,000"]),
        (request("x", sampling=SamplingParams(temperature=3)), ["temperature is 3", "0 to 2"]),
    ],
)
async def test_values_out_of_bounds_are_refused_at_once_however_many_wait(
    begin: Begin, bad: GenerationRequest, words: list[str]
) -> None:
    stage = await begin(rows=1)
    stage.hold()
    running = Asker(stage.generator, request("running", user=1))
    await running.until(lambda: running.started)
    asker = await Asker(stage.generator, bad).done()
    assert isinstance(asker.error, InvalidRequest)
    assert all(word in str(asker.error) for word in words)
    assert asker.events == []


async def test_who_gets_no_place_is_told_when_the_block_is_entered(begin: Begin) -> None:
    stage = await begin()
    with pytest.raises(InvalidRequest):
        async with stage.generator.admitted(request("x", count=0)):
            pytest.fail("nobody was let in")


async def test_one_member_gets_no_more_than_their_share(begin: Begin) -> None:
    stage = await begin(member_limit=2)
    stage.hold()
    askers = [Asker(stage.generator, request("x", user=1)) for _ in range(2)]
    refused = await Asker(stage.generator, request("x", user=1)).done()
    assert isinstance(refused.error, Busy)
    assert refused.refusal == "busy.member"
    assert refused.error.message.values["count"] == 2
    other = Asker(stage.generator, request("x", user=2))
    stage.go_on()
    for asker in (*askers, other):
        assert (await asker.done()).finished is not None
    assert (await Asker(stage.generator, request("x", user=1)).done()).finished is not None


async def test_variants_of_one_text_are_one_to_limits_and_cancelled_together(begin: Begin) -> None:
    stage = await begin(member_limit=1, guild_limit=1, rows=2)
    stage.hold()
    variants = [replace(request("x", user=1), request_id=5, guild_id=7) for _ in range(3)]
    askers = [Asker(stage.generator, each) for each in variants]
    while (status := stage.generator.status()).running + status.queued < 3:
        await asyncio.sleep(0)
        await stage.told()
    other = await Asker(stage.generator, replace(request("x", user=1), request_id=6)).done()
    assert other.refusal == "busy.member"
    assert await stage.generator.cancel(5)
    stage.go_on()
    for asker in askers:
        ended = (await asker.done()).finished
        assert ended is not None
        assert ended.reason == "cancelled"
    assert not await stage.generator.cancel(5)


async def test_one_server_gets_no_more_than_its_share(begin: Begin) -> None:
    stage = await begin(guild_limit=2)
    stage.hold()
    askers = [Asker(stage.generator, replace(request("x", user=user), guild_id=7)) for user in (1, 2)]
    refused = await Asker(stage.generator, replace(request("x", user=3), guild_id=7)).done()
    assert isinstance(refused.error, Busy)
    assert refused.refusal == "busy.server"
    assert refused.error.message.values["count"] == 2
    elsewhere = Asker(stage.generator, replace(request("x", user=3), guild_id=8))
    stage.go_on()
    for asker in (*askers, elsewhere):
        assert (await asker.done()).finished is not None


async def test_a_servers_own_limits_hold_where_they_are_below_the_hosts(begin: Begin) -> None:
    stage = await begin()
    stage.hold()
    strict = replace(request("x", user=1), guild_id=7, limits=Limits(member=1, guild=2))
    first = Asker(stage.generator, strict)
    assert (await Asker(stage.generator, strict).done()).refusal == "busy.member"
    second = Asker(stage.generator, replace(strict, user_id=2))
    assert (await Asker(stage.generator, replace(strict, user_id=3)).done()).refusal == "busy.server"
    stage.go_on()
    for asker in (first, second):
        assert (await asker.done()).finished is not None


async def test_a_full_queue_says_when_to_try_again(begin: Begin) -> None:
    stage = await begin(rows=1, queue_limit=2)
    stage.hold()
    askers = [Asker(stage.generator, request("x", user=user)) for user in range(3)]
    refused = await Asker(stage.generator, request("x", user=9)).done()
    assert isinstance(refused.error, Busy)
    assert refused.refusal == "busy.queue"
    assert "2 are waiting" in str(refused.error)
    assert "try again in about" in str(refused.error)
    stage.go_on()
    for asker in askers:
        assert (await asker.done()).finished is not None


async def test_a_deadline_ends_what_runs_and_what_waits(begin: Begin) -> None:
    stage = await begin(rows=1, deadline_s=500)
    stage.hold(after=6)
    running = Asker(stage.generator, request("x", user=1))
    waiting = Asker(stage.generator, request("x", user=2))
    await running.until(lambda: running.text)
    await waiting.until(lambda: waiting.places)
    stage.advance(499)
    await waiting.until(lambda: len(waiting.places) > 1)
    assert (running.error, waiting.error) == (None, None)
    stage.advance(1)
    await running.done()
    await waiting.done()
    assert isinstance(running.error, DeadlineExceeded)
    assert running.refusal == "failed.too_long"
    assert isinstance(waiting.error, DeadlineExceeded)
    assert waiting.refusal == "failed.waited_too_long"


async def test_time_in_the_queue_counts_towards_the_deadline(begin: Begin) -> None:
    stage = await begin(rows=1, deadline_s=500)
    stage.hold()
    first = Asker(stage.generator, request("first", count=1, user=1))
    late = Asker(stage.generator, request("late", user=2))
    await late.until(lambda: late.places)
    stage.advance(499)
    stage.hold(after=1)  # the first gets its token, and the other one begins
    await late.until(lambda: late.started)
    stage.advance(1)
    await late.done()
    assert first.finished is not None
    assert isinstance(late.error, DeadlineExceeded)
    assert late.refusal == "failed.too_long"


async def test_who_ended_makes_room_for_the_next(begin: Begin) -> None:
    stage = await begin(rows=1, queue_limit=1)
    stage.hold()
    running = Asker(stage.generator, request("x", user=1))
    await running.until(lambda: running.started)
    waiting = Asker(stage.generator, request("x", user=2))
    await waiting.until(lambda: waiting.places)
    assert (await Asker(stage.generator, request("x", user=3)).done()).refusal == "busy.queue"
    await waiting.leave()
    next_one = Asker(stage.generator, request("x", user=3))
    await next_one.until(lambda: next_one.places)
    stage.go_on()
    for asker in (running, next_one):
        assert (await asker.done()).finished is not None
