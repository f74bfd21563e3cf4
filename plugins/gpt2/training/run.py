"""One run of training: steps and measurements until the time is over, nothing gets better, or somebody stops it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from plugins.gpt2.training.batches import Batches
from plugins.gpt2.training.learner import Learner, Pace
from plugins.gpt2.training.run_files import Best, Progress, RunFiles

End = Literal["time", "no better", "stopped"]

MEASUREMENTS = 40
"""How often a run measures itself on held-out texts, at most."""
MEASURING_SHARE = 0.1
"""The share of the time that measuring takes, at most."""
SAVING_SHARE = 0.05
"""The share of the time that keeping the state takes, at most."""
SAVE_EVERY_S = 30.0
WARM_UP = 2
"""Measurements, and steps, until nothing is compiled any more: tinygrad captures what it runs for the second time."""
PATIENCE = 6
"""After so many measurements in a row that were not better, the run ends."""
BETTER = 1e-4
"""Nats that count as better."""


class Diverged(ValueError):
    """The loss is no number any more; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person is shown after a step. Seconds are those of the whole run, whatever interrupted it."""

    step: int
    elapsed_s: float
    total_s: float
    loss: float
    held_out: float | None
    best: float | None
    tokens_per_s: float
    note: str = ""


class Run:
    """Trains ``learner`` for ``total_s`` seconds in all and keeps in ``files`` what is learnt.

    The rate falls until the time is over, or until the step ``settled_at`` where that comes first; from there on it
    stays at its lowest.
    """

    def __init__(
        self,
        learner: Learner,
        batches: Batches,
        pace: Pace,
        files: RunFiles,
        *,
        total_s: float,
        tokens_per_step: int,
        settled_at: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.progress = Progress()
        self.best: Best | None = None
        self._learner, self._batches, self._pace, self._files = learner, batches, pace, files
        self._total_s, self._tokens_per_step, self._clock = total_s, tokens_per_step, clock
        self._settled_at = settled_at
        self._measured = batches.measured()
        self._since: list[float] = []
        self._note = ""
        self._measure_s = self._save_s = 0.0
        self._next_measure = self._next_save = 0.0
        self._began = 0.0
        self._compiling = WARM_UP

    def resume(self) -> bool:
        """Go on from what is kept; tell whether there was anything. Raises CheckpointError where it is damaged."""
        self.best = self._files.load_best()
        if (found := self._files.load()) is None:
            return False
        state, self.progress = found
        self._learner.load_state(state)
        # The two were not kept at one moment; what is at hand counts.
        at_hand = (self.progress.before, 0) if self.best is None else (self.best.loss, self.best.step)
        self.progress.best, self.progress.best_step = at_hand
        return True

    def train(self, *, stopped: Callable[[], bool], on_step: Callable[[Seen], None]) -> End:
        """Train until the end; what there is then is kept. Raises :class:`Diverged`."""
        for _ in range(WARM_UP):
            self._learner.loss(self._measured[0])
        progress = self.progress
        if progress.before is None:
            self._measure()
        self._began = self._clock() - progress.elapsed_s
        end: End = "time"
        self._schedule()
        while True:
            progress.elapsed_s = self._elapsed()
            if stopped():
                end = "stopped"
            elif progress.worse >= PATIENCE:
                end = "no better"
            elif progress.elapsed_s < self._total_s:
                self._step(on_step)
                continue
            break
        if self._since:
            self._measure()
        self._save()
        return end

    def _elapsed(self) -> float:
        return self._clock() - self._began

    def _step(self, on_step: Callable[[Seen], None]) -> None:
        progress, before = self.progress, self._clock()
        self._pace.progress = progress.elapsed_s / self._total_s
        if self._settled_at is not None:
            self._pace.progress = max(self._pace.progress, progress.step / self._settled_at)
        loss = self._learner.step(self._batches.of_step(progress.step)).loss
        if not np.isfinite(loss):
            raise Diverged(
                f"the loss of step {progress.step + 1} is not a number: the learning rate is too high. "
                "What was best until here is kept. Begin anew with a --learning-rate of a third."
            )
        progress.step += 1
        self._since.append(loss)
        now = self._clock()
        if self._compiling:
            self._compiling -= 1
            self._began += now - before  # the host asked for minutes of learning
        progress.elapsed_s = now - self._began
        if progress.elapsed_s >= self._next_measure:
            self._measure()
            self._schedule()
        if progress.elapsed_s >= self._next_save:
            self._save()
            self._next_save = self._elapsed() + max(SAVE_EVERY_S, self._save_s / SAVING_SHARE)
        speed = self._tokens_per_step / max(1e-9, now - before)
        held_out = progress.held_out[-1][2] if progress.held_out else None
        on_step(
            Seen(
                progress.step,
                progress.elapsed_s,
                self._total_s,
                loss,
                held_out,
                progress.best,
                speed,
                self._note,
            )
        )
        self._note = ""

    def _schedule(self) -> None:
        """Say when to measure next: the longer it takes, the less often."""
        elapsed_s = self._elapsed()
        self._next_measure = elapsed_s + max(self._total_s / MEASUREMENTS, self._measure_s / MEASURING_SHARE)
        self._next_save = self._next_save or elapsed_s + SAVE_EVERY_S

    def _measure(self) -> None:
        progress, began = self.progress, self._clock()
        loss = float(np.mean([self._learner.loss(batch) for batch in self._measured]))
        self._measure_s = self._clock() - began
        if self._since:
            progress.learnt.append((progress.step, progress.elapsed_s, float(np.mean(self._since))))
            self._since = []
        progress.held_out.append((progress.step, progress.elapsed_s, loss))
        if progress.before is None:
            progress.before = loss
        if progress.best is not None and loss > progress.best - BETTER:
            progress.worse += 1
            return
        progress.best, progress.best_step, progress.worse = loss, progress.step, 0
        if progress.step == 0:
            return  # what a run begins with is on the disk already
        self.best = Best(self._learner.weights(), progress.step, loss)
        try:
            self._files.save_best(self.best)
        except OSError as error:
            self._note = f"the best weights could not be kept ({error.strerror or error}); they are in memory"

    def _save(self) -> None:
        began = self._clock()
        try:
            self._files.save(self._learner.state(), self.progress)
        except OSError as error:
            self._note = f"the state could not be kept ({error.strerror or error}); the one before is"
        self._save_s = self._clock() - began
