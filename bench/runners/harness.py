"""The measuring itself, the same for every engine: what is timed, how often, and what is left out as warm-up."""

from __future__ import annotations

import abc
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Protocol

from bench.job import Job, Outcome

Prompts = list[list[int]]

WARM_STEPS = 2
"""Steps of each run that are not counted: buffers are made and caches filled."""


class Engine(Protocol):
    """What an engine must be able to do. ``weight_bytes`` is what one decode step has to read of the weights."""

    version: str
    weight_bytes: int

    def decode_ms(self, prompts: Prompts, steps: int) -> list[float]:
        """Continue equally long ``prompts`` side by side; return the time of each greedy step, prefill left out."""
        ...

    def prefill_ms(self, prompt: list[int]) -> float:
        """Return the time from a prompt to its first new token, the engine's memory of texts being empty."""
        ...


class Stepwise(abc.ABC):
    """An engine whose caller makes the steps; gives :class:`Engine` to who can begin, extend and step."""

    @abc.abstractmethod
    def begin(self, streams: int) -> None:
        """Forget every text; there are ``streams`` of them from now on."""

    @abc.abstractmethod
    def extend(self, prompts: Prompts) -> list[int]:
        """Put equally long prompts into the streams; return each one's likeliest next token."""

    @abc.abstractmethod
    def step(self, tokens: list[int]) -> list[int]:
        """Put one token into each stream; return each one's likeliest next token."""

    def decode_ms(self, prompts: Prompts, steps: int) -> list[float]:
        """See :class:`Engine`."""
        self.begin(len(prompts))
        tokens = self.extend(prompts)
        times = []
        for _ in range(steps):
            begin = time.perf_counter()
            tokens = self.step(tokens)
            times.append((time.perf_counter() - begin) * 1000)
        return times

    def prefill_ms(self, prompt: list[int]) -> float:
        """See :class:`Engine`."""
        self.begin(1)
        begin = time.perf_counter()
        self.extend([prompt])
        return (time.perf_counter() - begin) * 1000


def peak_bytes() -> int:
    """Return the most memory that this process had, mapped files included."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:  # not Linux; macOS counts bytes here
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def prompts(job: Job, streams: int, length: int) -> Prompts:
    """Return ``streams`` texts of ``length`` tokens: random, different from each other, the same for every engine."""
    drawn = random.Random(f"{streams} {length}")
    return [[drawn.randrange(job.vocabulary - 1) for _ in range(length)] for _ in range(streams)]


def measure(job: Job, open_engine: Callable[[Job], Engine]) -> Outcome:
    """Do ``job``; ``open_engine`` loads the model."""
    begin = time.monotonic()
    engine = open_engine(job)
    loaded = time.monotonic()
    engine.prefill_ms(prompts(job, 1, job.prompt)[0])
    first = time.monotonic()
    outcome = Outcome(
        version=engine.version,
        weight_bytes=engine.weight_bytes,
        load_ms=(loaded - begin) * 1000,
        first_token_ms=(first - job.began) * 1000,
        start_peak_bytes=peak_bytes(),
    )
    if "decode" in job.parts:
        for streams in job.streams:
            times = engine.decode_ms(prompts(job, streams, job.prompt), job.steps + WARM_STEPS)
            outcome.decode_ms[str(streams)] = median(times[WARM_STEPS:])
    if "prefill" in job.parts:
        for length in job.prefills:
            outcome.prefill_ms[str(length)] = _prefill(engine, prompts(job, 1, length)[0])
    if "context" in job.parts:
        for context in job.contexts:
            before = max(1, context - job.context_steps // 2 - WARM_STEPS)
            times = engine.decode_ms(prompts(job, 1, before), job.context_steps + WARM_STEPS)
            outcome.context_ms[str(context)] = median(times[WARM_STEPS:])
    outcome.peak_bytes = peak_bytes()
    return outcome


def _prefill(engine: Engine, prompt: list[int]) -> float:
    """Return the median of a few runs after one that is not counted; few where one run is long."""
    engine.prefill_ms(prompt)
    counted = min(3, max(1, 512 // len(prompt)))
    return median(engine.prefill_ms(prompt) for _ in range(counted))


def run(open_engine: Callable[[Job], Engine]) -> None:
    """Read a job from the standard input, do it, print the outcome as the last line."""
    job = Job.from_json(sys.stdin.readline())
    print(measure(job, open_engine).to_json(), flush=True)
