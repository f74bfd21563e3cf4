"""A learner that knows how common each token is and nothing else: exact, and quick enough for thousands of steps.

As a program it trains until it is killed: ``python -m tests.plugins.gpt2.training.unigram FOLDER``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plugins.gpt2.training import run as run_module
from plugins.gpt2.training.batches import Batches
from plugins.gpt2.training.learner import Arrays, Batch, Pace
from plugins.gpt2.training.run import Run
from plugins.gpt2.training.run_files import RunFiles
from plugins.gpt2.training.texts.token_file import Tokens

TOKENS = 50
CONTEXT, ROWS = 16, 2


@dataclass(frozen=True)
class Loss:
    loss: float


class Unigram:
    def __init__(self, pace: Pace, size: int = TOKENS) -> None:
        self.logits = np.zeros(size, np.float32)
        self.momentum = np.zeros(size, np.float32)
        self.steps, self.pace = 0, pace
        self.broken = False

    def step(self, tokens: Batch) -> Loss:
        share = np.exp(self.logits) / np.exp(self.logits).sum()
        loss = self.loss(tokens)
        counts = np.bincount(tokens[:, 1:].ravel(), minlength=len(share)) / tokens[:, 1:].size
        self.momentum = (0.9 * self.momentum + share - counts).astype(np.float32)
        self.logits -= np.float32(self.pace.rate(self.steps)) * self.momentum
        self.steps += 1
        return Loss(float("nan") if self.broken else loss)

    def loss(self, tokens: Batch) -> float:
        logs = self.logits - np.log(np.exp(self.logits).sum())
        return float(-logs[tokens[:, 1:]].mean())

    def weights(self) -> Arrays:
        return {"logits": self.logits.copy()}

    def state(self) -> Arrays:
        return {"logits": self.logits, "momentum": self.momentum, "steps": np.array([self.steps])}

    def load_state(self, state: Arrays) -> None:
        self.logits, self.momentum = state["logits"].copy(), state["momentum"].copy()
        self.steps = int(state["steps"][0])


def texts(seed: int = 1) -> tuple[Tokens, Tokens]:
    """Return tokens of which small ones are common, to train on and to measure with."""
    rng = np.random.default_rng(seed)
    tokens = np.minimum(rng.geometric(0.15, 3000), TOKENS - 1).astype(np.uint16)
    return tokens[:2500], tokens[2500:]


class Steps:
    """A clock that is a second on at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


def begin(
    folder: Path, total_s: float, size: int = TOKENS, rate: float = 0.3, settled_at: int | None = None
) -> tuple[Run, Unigram]:
    pace = Pace(rate)
    learner = Unigram(pace, size)
    batches = Batches(*texts(), ROWS, CONTEXT, seed=3)
    run = Run(
        learner,
        batches,
        pace,
        RunFiles(folder),
        total_s=total_s,
        tokens_per_step=ROWS * CONTEXT,
        settled_at=settled_at,
        clock=Steps(),
    )
    return run, learner


if __name__ == "__main__":
    run_module.SAVE_EVERY_S = 0.0
    run_module.SAVING_SHARE = 1e9
    training, _ = begin(Path(sys.argv[1]), 1e9, size=1_000_000)  # megabytes: a kill falls into the writing of them
    training.resume()
    sys.stdout.write(f"from {training.progress.step}\n")
    sys.stdout.flush()
    training.train(stopped=lambda: False, on_step=lambda seen: None)
