"""Requests share rows and steps, and each gets the text that it would get alone."""

from __future__ import annotations

import pytest

from plugins.gpt2.engine.scheduler import Scheduler
from plugins.gpt2.protocol import Finished, GenerationRequest
from tests.plugins.gpt2.engine.desk import Desk
from tests.plugins.gpt2.fake_model import FakeModel, greedy_text, request, sampled


def alone(asked: GenerationRequest) -> str:
    desk = Desk()
    desk.submit(1, asked)
    desk.run()
    return desk.texts[1]


def test_a_request_gets_exactly_the_tokens_it_asked_for() -> None:
    desk = Desk()
    desk.submit(1, request("Hello", count=12))
    desk.run()
    assert desk.texts[1] == greedy_text("Hello", 12)
    assert desk.finished[1].reason == "length"
    assert desk.finished[1].timing.new_tokens == 12
    assert desk.finished[1].timing.prompt_tokens == 5


def test_batch_matches_single() -> None:
    asked = [
        request("To be", count=20),
        request("A prompt that needs several slices of prefill", count=15),
        request("x", count=1),
        request("Yes", count=25, sampling=sampled(seed=3)),
        request("Another one, greedy and long enough", count=18),
        request("No", count=9, sampling=sampled(seed=4)),
    ]
    desk = Desk()
    for key, one in enumerate(asked):
        desk.submit(key, one)
        desk.step(2)  # they join while others run
    desk.run()
    assert [desk.texts[key] for key in range(len(asked))] == [alone(one) for one in asked]
    assert ("decode", 4) in desk.model.steps  # they did run together


def test_unique_counts_end_at_their_own_time() -> None:
    desk = Desk()
    for key, count in enumerate((9, 3, 6)):
        desk.submit(key, request("same", count=count))
    desk.run()
    assert desk.order == [1, 2, 0]
    assert [len(desk.texts[key]) for key in range(3)] == [9, 3, 6]


def test_a_newcomer_takes_the_row_of_whoever_left() -> None:
    desk = Desk(FakeModel(rows=1))
    desk.submit(1, request("first", count=4))
    desk.submit(2, request("second", count=4))
    desk.run()
    assert desk.order == [1, 2]
    assert desk.texts == {1: greedy_text("first", 4), 2: greedy_text("second", 4)}


def test_a_long_prompt_stalls_nobody() -> None:
    desk = Desk(FakeModel(prefill_slice=8))
    desk.submit(1, request("ab", count=30))
    desk.step(3)
    desk.submit(2, request("p" * 32, count=2))
    before = len(desk.texts[1])
    desk.step(4)  # four slices
    assert len(desk.texts[1]) == before + 4
    assert desk.model.steps.count(("prefill", 8)) == 4


def test_timing_says_what_each_part_took() -> None:
    now = 100.0

    def advance(kind: str) -> None:
        nonlocal now
        now += 0.5 if kind == "prefill" else 0.1

    scheduler = Scheduler(FakeModel(before_step=advance, prefill_slice=8), clock=lambda: now)
    scheduler.submit(1, request("sixteen letters.", count=11, sampling=sampled(seed=42)), submitted=98.0)
    finished = None
    while scheduler.busy:
        finished = scheduler.step().outcomes[-1][1]
    assert isinstance(finished, Finished)
    timing = finished.timing
    assert timing.queue_ms == pytest.approx(2000)
    assert timing.first_token_ms == pytest.approx(1000)
    assert timing.prefill_tok_s == pytest.approx(16.0)
    assert timing.decode_tok_s == pytest.approx(10.0)
    assert timing.total_ms == pytest.approx(4000)
    assert (timing.seed, timing.model, timing.device, timing.dtype) == (42, "fake", "FAKE", "fp32")
