from __future__ import annotations

import time

from bench.job import Job
from bench.runners.harness import Prompts, Stepwise, measure, prompts


class Clockwork(Stepwise):
    """An engine that only notes what it is asked; its next token is the sum of the last two."""

    version = "clockwork 1"
    weight_bytes = 7

    def __init__(self, job: Job) -> None:
        self.job = job
        self.begun: list[int] = []
        self.prompts: list[Prompts] = []
        self.fed: list[list[int]] = []

    def begin(self, streams: int) -> None:
        self.begun.append(streams)

    def extend(self, prompts: Prompts) -> list[int]:
        self.prompts.append(prompts)
        return [prompt[-1] for prompt in prompts]

    def step(self, tokens: list[int]) -> list[int]:
        self.fed.append(tokens)
        return [token + 1 for token in tokens]


def small_job() -> Job:
    return Job("", "int8", 1, time.monotonic(), streams=(1, 3), steps=5, prefills=(4, 300), contexts=(16, 40))


def test_every_part_is_measured_with_what_was_asked_for() -> None:
    outcome = measure(small_job(), Clockwork)
    assert outcome.decode_ms.keys() == {"1", "3"}
    assert outcome.prefill_ms.keys() == {"4", "300"}
    assert outcome.context_ms.keys() == {"16", "40"}
    assert (outcome.version, outcome.weight_bytes) == ("clockwork 1", 7)
    assert outcome.peak_bytes >= outcome.start_peak_bytes > 1_000_000


def test_parts_that_are_not_wanted_are_not_done() -> None:
    outcome = measure(Job("", "int8", 1, time.monotonic(), parts=()), Clockwork)
    assert (outcome.decode_ms, outcome.prefill_ms, outcome.context_ms) == ({}, {}, {})
    assert outcome.first_token_ms >= outcome.load_ms


def test_each_step_is_fed_what_the_one_before_chose() -> None:
    engine = Clockwork(small_job())
    assert len(engine.decode_ms([[5, 9], [5, 20]], 3)) == 3
    assert engine.fed == [[9, 20], [10, 21], [11, 22]]
    assert engine.begun == [2]


def test_prompts_are_the_same_for_every_engine_and_differ_between_streams() -> None:
    job = Job("", "int8", 1, vocabulary=300)
    drawn = prompts(job, 3, 16)
    assert drawn == prompts(job, 3, 16)
    assert len({tuple(prompt) for prompt in drawn}) == 3
    assert all(0 <= token < 299 for prompt in drawn for token in prompt), "the end of text is no part of a prompt"
