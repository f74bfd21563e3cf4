"""Who waits: places that are told and get better, turns that are fair, and waits that are measured or not told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.contract.conftest import Begin
from tests.plugins.gpt2.contract.implementations import Stage
from tests.plugins.gpt2.fake_model import greedy_text, request


async def waits(stage: Stage, prompt: str, *, user: int, guild: int | None = None, count: int = 10) -> Asker:
    """Ask, and be told a place."""
    asker = Asker(stage.generator, replace(request(prompt, count, user=user), guild_id=guild))
    await asker.until(lambda: asker.places)
    return asker


async def runs(stage: Stage, prompt: str = "first", *, user: int = 1, count: int = 10) -> Asker:
    """Ask, and be the one who is written for."""
    asker = Asker(stage.generator, request(prompt, count, user=user))
    await asker.until(lambda: asker.started)
    return asker


async def test_places_are_told_and_get_better_until_the_turn_comes(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.hold()
    first = await runs(stage)
    waiting = [await waits(stage, f"prompt {user}", user=user) for user in (2, 3, 4)]
    assert [asker.places for asker in waiting] == [[0], [1], [2]]

    await waiting[1].leave()
    await waiting[2].until(lambda: waiting[2].places[-1] == 1)
    assert waiting[0].places == [0]

    stage.go_on()
    for asker in (first, waiting[0], waiting[2]):
        await asker.done()
        assert asker.finished is not None
        assert asker.places == sorted(asker.places, reverse=True)
    assert waiting[2].places == [2, 1, 0]
    assert waiting[2].text == greedy_text("prompt 4", 10)


async def test_one_members_many_requests_do_not_hold_back_anothers_first(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.hold()
    first = await runs(stage, user=1)
    own = await waits(stage, "own second", user=1)
    again = await waits(stage, "own third", user=1)
    other = await waits(stage, "other", user=2)
    await again.until(lambda: again.places[-1] == 2)
    assert (own.places[-1], other.places[-1]) == (0, 1)
    stage.go_on()
    for asker in (first, own, again, other):
        await asker.done()


async def test_each_direct_chat_takes_turns_like_a_server_of_its_own(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.hold()
    running = await runs(stage)
    server = [await waits(stage, "here", user=user, guild=7) for user in (2, 3)]
    direct = [await waits(stage, "direct", user=user) for user in (4, 5)]
    await server[1].until(lambda: server[1].places[-1] == 3)
    assert [asker.places[-1] for asker in (server[0], *direct, server[1])] == [0, 1, 2, 3]
    stage.go_on()
    for asker in (running, *server, *direct):
        await asker.done()


async def test_as_many_are_written_for_at_once_as_the_model_has_rows(begin: Begin) -> None:
    stage = await begin(rows=2)
    stage.hold()
    askers = [Asker(stage.generator, request(f"prompt {user}", user=user)) for user in range(5)]
    await askers[4].until(lambda: askers[4].places)
    await stage.told()
    status = stage.generator.status()
    assert (status.running, status.queued) == (2, 3)
    stage.go_on()
    for user, asker in enumerate(askers):
        await asker.done()
        assert asker.text == greedy_text(f"prompt {user}", 10)
    await stage.told()
    status = stage.generator.status()
    assert (status.running, status.queued) == (0, 0)


async def test_before_anything_was_measured_no_wait_is_invented(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.hold()
    running = await runs(stage)
    waiting = await waits(stage, "next", user=2)
    assert [(told.ahead, told.wait_s) for told in waiting.queued] == [(0, None)]
    stage.go_on()
    await running.done()
    await waiting.done()


async def test_the_first_who_waits_hears_how_long_by_what_loading_measured(begin: Begin) -> None:
    stage = await begin(rows=1, step_s=2.0)
    stage.hold()
    running = await runs(stage, count=30)
    waiting = await waits(stage, "next", user=2)
    assert waiting.queued[0].wait_s == pytest.approx(60)
    stage.go_on()
    await running.done()
    await waiting.done()


async def test_the_wait_is_told_by_what_earlier_texts_took_and_gets_shorter_with_time(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.take_time(1.0)
    measured = (await Asker(stage.generator, request("Hello", count=20)).done()).finished
    assert measured is not None
    each_s = (measured.timing.total_ms - measured.timing.queue_ms) / 1000 / 20
    stage.hold()
    running = await runs(stage, count=30)
    second = await waits(stage, "second", user=2, count=20)
    third = await waits(stage, "third", user=3, count=20)
    first_wait, next_wait = second.queued[0].wait_s, third.queued[0].wait_s
    assert first_wait == pytest.approx(30 * each_s, abs=1)
    assert next_wait == pytest.approx(50 * each_s, abs=1)

    stage.advance(15)
    await second.until(lambda: len(second.queued) > 1)
    assert second.queued[-1].ahead == 0
    assert second.queued[-1].wait_s == pytest.approx(30 * each_s - 15, abs=1)
    stage.go_on()
    for asker in (running, second, third):
        await asker.done()
