"""What reading an opening once, and guessing ahead, are worth: ``python -m bench.reuse``. The last line is JSON.

With ``--draft FOLDER`` a draft model guesses, too (``tools.train_mini`` tells how one is trained).

All leave every text as it is; this measures their time. The model is townhall-mini: random weights neither share
openings nor repeat themselves as trained ones do.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from bench import machine
from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.engine.scheduler import Scheduler
from plugins.gpt2.model.constants import EMBEDDED_MODEL
from plugins.gpt2.model.gpt2 import GPT2, load
from plugins.gpt2.protocol import Finished, GenerationRequest, SamplingParams, Timing

PROMPTS = ("My fellow citizens", "To apply for a passport, you need", "“Elementary,” said Holmes", "The king")
OPENING = (
    "We the people, in order to form a more perfect union, ask the following question and hope for an answer. " * 12
)
ROUNDS = 7
KINDS = {
    "greedy, no repetition penalty": SamplingParams(temperature=0, repetition_penalty=1.0),
    "greedy": SamplingParams(temperature=0),
    "as members ask (temperature 0.8)": SamplingParams(seed=5),
}


def finished(model: GPT2, scheduler: Scheduler, prompt: str, count: int, sampling: SamplingParams) -> Timing:
    """Write one text and return what was measured of it."""
    scheduler.submit(0, GenerationRequest(prompt, count, model.info.name, sampling), time.perf_counter())
    while True:
        for _, outcome in scheduler.step().outcomes:
            if isinstance(outcome, Finished):
                return outcome.timing


def openings(model: GPT2) -> dict[str, float]:
    """Return the milliseconds to the first token behind a long opening, the first time and once it is known."""
    first: list[float] = []
    again: list[float] = []
    for number in range(ROUNDS):
        scheduler = Scheduler(model)
        for times, question in ((first, "Who?"), (again, "Why?")):
            times.append(
                finished(model, scheduler, f"{number} {OPENING}{question}", 2, SamplingParams()).first_token_ms
            )
    return {"first_ms": median(first), "again_ms": median(again)}


def guesses(model: GPT2) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield for each kind of sampling the tokens per second without and with guessing, taking turns."""
    slots = model.draft_slots
    for kind, sampling in KINDS.items():
        rates: dict[int, list[float]] = {1: [], slots: []}
        for _ in range(ROUNDS):
            for model.draft_slots, found in rates.items():
                timings = [finished(model, Scheduler(model), prompt, 200, sampling) for prompt in PROMPTS]
                found.append(sum(t.new_tokens for t in timings) / sum(t.total_ms for t in timings) * 1000)
        yield kind, {"without_tok_s": median(rates[1]), "with_tok_s": median(rates[slots])}


def main(given: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.reuse", description=__doc__)
    parser.add_argument("--draft", help="a folder with a draft of townhall-mini's vocabulary (default: none)")
    options = parser.parse_args(given)
    there = machine.describe()
    with open_checkpoint(EMBEDDED_MODEL) as checkpoint:
        model = load(checkpoint)
        opening, kinds = openings(model), dict(guesses(model))
        model.close()
        if options.draft:
            with open_checkpoint(options.draft) as draft:
                model = load(checkpoint, draft=draft)
            kinds |= {f"{kind}, with a draft": rate for kind, rate in guesses(model)}
    print(f"first token behind a long opening: {opening['first_ms']:.1f} ms, known: {opening['again_ms']:.1f} ms")
    for kind, rate in kinds.items():
        print(f"{kind}: {rate['without_tok_s']:.0f} tok/s, with guesses {rate['with_tok_s']:.0f}")
    result: dict[str, Any] = {"kind": "reuse", "machine": there, "opening": opening, "guesses": kinds}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
