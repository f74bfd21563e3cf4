"""Measures Townhall's own engine, without Discord and without the queue: the model as the engine thread uses it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.job import Job
from bench.runners.harness import Prompts, Stepwise, run
from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.model.constants import WEIGHT_NAMES
from plugins.gpt2.model.gpt2 import load


class Townhall(Stepwise):
    """Rows 0… of a model with 8 rows, which is what the bot loads."""

    def __init__(self, job: Job) -> None:
        weights = next((name for name in WEIGHT_NAMES if name == job.weights), None)
        if weights is None:
            raise ValueError(f"weights {job.weights!r}; there are {', '.join(WEIGHT_NAMES)}")
        with open_checkpoint(job.path, local_only=True) as checkpoint:
            rows = max(8, *job.streams)
            self._model = load(checkpoint, weights=weights, rows=rows, threads=job.threads)
            positions = checkpoint.config.n_positions * checkpoint.config.n_embd * 4
        self.weight_bytes = self._model.info.weight_bytes - positions
        from plugins.gpt2.model.device import TINYGRAD_VERSION  # imports tinygrad, which loading has prepared

        self.version = f"tinygrad {TINYGRAD_VERSION}"
        self._rows: list[int] = []
        self._position = 0

    def begin(self, streams: int) -> None:
        """See :class:`Stepwise`."""
        self._rows, self._position = list(range(streams)), 0

    def extend(self, prompts: Prompts) -> list[int]:
        """See :class:`Stepwise`."""
        length, most = len(prompts[0]), self._model.prefill_slice
        best = []
        for row, prompt in zip(self._rows, prompts, strict=True):
            logits: npt.NDArray[np.float32] = np.empty(0, np.float32)
            for at in range(0, length, most):
                logits = self._model.prefill(row, prompt[at : at + most], self._position + at)
            best.append(int(logits.argmax()))
        self._position += length
        return best

    def step(self, tokens: list[int]) -> list[int]:
        """See :class:`Stepwise`."""
        logits = self._model.decode(self._rows, tokens, [self._position] * len(tokens))
        self._position += 1
        best: list[int] = logits.argmax(axis=1).tolist()
        return best


if __name__ == "__main__":
    run(Townhall)
