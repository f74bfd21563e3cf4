"""Learning a whole distribution instead of one token: the loss of a distillation as kernels in C, and its trainer.

The loss of a place is KL(teacher ‖ student) at one temperature, over the teacher's likeliest tokens one by one and all
others as one. Half of ``OFFSET`` times the square of the difference between the two normalisers is added: a repetition
penalty divides logits or multiplies them, so that two models with the same distribution, one of whose logits are all
higher, are not the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor, UOp

from plugins.gpt2.model import device as tiny
from plugins.gpt2.model.constants import GPT2Config
from plugins.gpt2.model.target.device_names import CPU
from plugins.gpt2.training.cpu import rows as kernels
from plugins.gpt2.training.cpu.attention import LOGARITHM
from plugins.gpt2.training.cpu.operations import COperations, chunks, launch
from plugins.gpt2.training.cpu.products import Product
from plugins.gpt2.training.trainer import Schedule, Trainer

OFFSET = 0.05
Ints = npt.NDArray[np.int32]


def _opening(count: int, vocabulary: int, kept: int, temperature: float) -> str:
    """Return what both kernels share. ``told`` (M, 2, kept) are ids and chances; one chance is what the others have."""
    return f"""{kernels._PLAIN}{LOGARITHM}
enum {{ SIZE = {vocabulary}, K = {kept} }};
#define COLD {1 / temperature!r}f
typedef struct {{ float log, others, off; }} facts;
"""


def nats(count: int, vocabulary: int, kept: int, temperature: float) -> str:
    """Return the loss (M,) and facts (M, 3) from logits (M, V), ids and chances (M, 2, kept) and normalisers (M,)."""
    return f"""{_opening(count, vocabulary, kept, temperature)}
void soft_nats(float* restrict out, facts* restrict known, const float* restrict logits, const int* restrict told,
               const float* x, const float* head, int slice) {{
  for (int m = slice * {kernels.CHUNK}; m < least(slice * {kernels.CHUNK} + {kernels.CHUNK}, {count}); m++) {{
    const float *row = logits + (long)m * SIZE, *chances = (const float*)(told + (long)m * (2 * K + 1) + K);
    const int* ids = told + (long)m * (2 * K + 1);
    float most = row[0], sum = 0.0f, loss = 0.0f, ours = 0.0f, theirs = 0.0f;
    for (int t = 0; t < SIZE; t++) most = row[t] > most ? row[t] : most;
    for (int t = 0; t < SIZE; t++) sum += number((row[t] - most) * COLD);
    float log = most * COLD + logarithm(sum);
    for (int k = 0; k < K; k++) {{
      float z = row[ids[k]] * COLD - log, p = chances[k];
      ours += number(z);
      theirs += p;
      if (p > 1e-9f) loss += p * (logarithm(p) - z);
    }}
    float left = 1.0f - ours > 1e-6f ? 1.0f - ours : 1e-6f, share = 1.0f - theirs > 1e-6f ? 1.0f - theirs : 1e-6f;
    loss += share * (logarithm(share) - logarithm(left));
    float off = log - chances[K];
    known[m].log = log;
    known[m].others = share / left;
    known[m].off = off * {OFFSET!r}f;
    out[m] = loss + 0.5f * {OFFSET!r}f * off * off;
  }}
}}
"""


def nats_back(count: int, vocabulary: int, kept: int, temperature: float) -> str:
    """Return the gradient of the logits in their own place; dout (M,)."""
    return f"""{_opening(count, vocabulary, kept, temperature)}
void soft_nats_back(float* restrict logits, const facts* restrict known, const int* restrict told,
                    const float* restrict dout, int slice) {{
  for (int m = slice * {kernels.CHUNK}; m < least(slice * {kernels.CHUNK} + {kernels.CHUNK}, {count}); m++) {{
    float *row = logits + (long)m * SIZE, slope = dout[m] * COLD, log = known[m].log;
    const float* chances = (const float*)(told + (long)m * (2 * K + 1) + K);
    const int* ids = told + (long)m * (2 * K + 1);
    float kept[K], factor = slope * (1.0f + known[m].off - known[m].others);
    for (int k = 0; k < K; k++)
      kept[k] = slope * (number(row[ids[k]] * COLD - log) * (1.0f + known[m].off) - chances[k]);
    for (int t = 0; t < SIZE; t++) row[t] = number(row[t] * COLD - log) * factor;
    for (int k = 0; k < K; k++) row[ids[k]] = kept[k];
  }}
}}
"""


class _SoftOperations(COperations):
    """:class:`COperations` whose targets are so many ids, the bits of their chances, and those of a normaliser."""

    likeliest: int
    temperature: float

    def nats(self, x: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss; targets int32 (rows, T, 2 · likeliest + 1)."""
        (count, width), (vocabulary, _) = (tuple(int(size) for size in each.shape) for each in (x, head))
        to_head, tied = self._sum(head), head is self._table
        shape = (count, vocabulary, self.likeliest, self.temperature)
        of_all = Product(count, vocabulary, width, b_turned=True)
        logits = self._product(of_all, self._floats(count, vocabulary), x, head)

        def back(dout: UOp, call: UOp) -> tuple[UOp | None, ...]:
            known, given, wanted = (Tensor(each) for each in (call.src[2].after(call), call.src[3], call.src[4]))
            slopes = launch(nats_back(*shape), chunks(count), given, known, wanted, Tensor(dout))[0]
            return None, None, None, None, *self._through_head(slopes, Tensor(call.src[5]), head, to_head, tied)

        each, facts = self._floats(count), self._floats(count, 3)
        tensors = (each, facts, logits, targets, x, head)
        return launch(nats(*shape), chunks(count), *tensors, outputs=2, gradient=back)[0].mean()


class SoftTrainer(Trainer):
    """A trainer whose targets are distributions, at ``temperature``; on a CPU with a compiler alone."""

    def __init__(
        self,
        config: GPT2Config,
        weights: Mapping[str, npt.NDArray[Any]],
        *,
        likeliest: int,
        temperature: float,
        batch: int,
        context: int,
        schedule: Schedule,
        threads: int | None = None,
    ) -> None:
        """Raise RuntimeError where the kernels in C cannot run, and as :class:`Trainer`."""
        super().__init__(
            config,
            weights,
            method="full",
            batch=batch,
            context=context,
            schedule=schedule,
            seed=0,
            threads=threads,
            device=CPU,
        )
        plain, parts = self._does, self._storage
        if not isinstance(plain, COperations):
            raise RuntimeError("a distillation needs a C compiler; `townhall doctor` says more.")
        does = _SoftOperations(
            plain.tile, plain.threads, plain.where, parts.weights.named, parts.sums.named, self._kept
        )
        does.likeliest, does.temperature = likeliest, temperature
        self._does, self._network = does, replace(self._network, does=does)
        self._targets = self._place(np.zeros((self._rows, context, 2 * likeliest + 1), np.int32))

    def learn(self, tokens: Ints, targets: Ints) -> float:
        """Learn from ``tokens`` (batch, context) and the ``targets`` after each; return their loss before."""
        losses = []
        for first in range(0, len(tokens), self._rows):
            tiny.write(self._kept, np.array([first > 0], np.float32))
            losses.append(self._loss_of(tokens, targets, first, self._learn, self._kept))
        numbers = self._recipe.numbers(self._schedule.rate(self._steps), self._steps, len(losses))
        tiny.write(self._numbers, numbers)
        self._update(self._numbers)
        self._steps += 1
        return float(np.mean(losses))

    def measure(self, tokens: Ints, targets: Ints) -> float:
        """Return the loss without learning."""
        firsts = range(0, len(tokens), self._rows)
        return float(np.mean([self._loss_of(tokens, targets, first, self._measure) for first in firsts]))

    def _loss_of(self, tokens: Ints, targets: Ints, first: int, run: Callable[..., Tensor], *rest: Tensor) -> float:
        tiny.write(self._tokens, tokens[first : first + self._rows])
        tiny.write(self._targets, targets[first : first + self._rows])
        return float(tiny.read(run(self._tokens, self._targets, *rest))[0])


def targets_of(ids: npt.NDArray[Any], logits: npt.NDArray[Any], whole: npt.NDArray[Any], temperature: float) -> Ints:
    """Return what :class:`SoftTrainer` takes: ids and logits (…, K) of the likeliest, normalisers (…,) of all."""
    kept = ids.shape[-1]
    made = np.empty((*ids.shape[:-1], 2 * kept + 1), np.int32)
    made[..., :kept] = ids
    chances = np.exp(logits.astype(np.float32) / np.float32(temperature) - whole[..., None])
    made[..., kept:-1] = chances.astype(np.float32).view(np.int32)
    made[..., -1] = np.ascontiguousarray(whole, np.float32).view(np.int32)
    return made
