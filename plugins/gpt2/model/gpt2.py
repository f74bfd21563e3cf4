"""GPT-2: loads a checkpoint, captures the network's steps, and runs them on rows of a KV cache.

``python -m plugins.gpt2.model.gpt2 --prompt …`` is ``townhall gpt2 --prompt …``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from plugins.gpt2.checkpoint.draft import check_draft
from plugins.gpt2.drawing import Drawing, Guessing
from plugins.gpt2.language_model import LoadProgress, Logits
from plugins.gpt2.model.constants import Products, Weights
from plugins.gpt2.model.target.device_plan import open_device, plan_for
from plugins.gpt2.model.utils import bucket_for, steps_for
from townhall_bot.machine.garbage import uncollected

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint
    from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
    from plugins.gpt2.model.build import Built
    from plugins.gpt2.model.cache.weights_cache import PackedWeights
    from plugins.gpt2.model.steps import Step
    from plugins.gpt2.model.transformer import Transformer

SHORT_SLICES = (4, 16, 64)
"""A short prompt, and a long one's tail, run in steps of these sizes."""
LONG_SLICES = (128, 64, 32, 16, 8, 4)
SLICE_S = 0.1
"""What one slice may take. Between two slices everybody else gets a token, and nobody's stream should stall for longer
than 0.15 s."""
FP32_RATE = 57e9
"""Products in fp32 that a core makes in a second."""
DRAFT_SLOTS = 8
"""Tokens of one text that a step checks, at most, when the next ones were guessed."""
BETWEEN = 3
"""A size of such checks between the powers of two."""


@dataclass(frozen=True, slots=True)
class TokenCost:
    """What one token of one stream takes: launches, and bytes of weights read. ``kernels`` None: not counted here."""

    kernels: int | None
    weight_bytes: int


class GPT2:
    """A loaded model; implements ``LanguageModel``. Belongs to the thread that imported tinygrad."""

    def __init__(self, built: Built, tokenizer: BPETokenizer, rows: int, *, guessed_for: bool = False) -> None:
        """``guessed_for`` tells that a ``draft`` will follow."""
        self.draft: GPT2 | None = None
        self.info, self.tokenizer, self.rows, self.products = built.info, tokenizer, rows, built.products
        rate, context = built.rate or FP32_RATE, self.info.context_length
        self._slices = prefill_slices(self.info.parameters, built.threads, rate, context)
        self.prefill_slice = self._slices[-1]
        self._network: Callable[[], Transformer] | None = built.network
        self._packed: PackedWeights | None = built.packed  # on a CPU the network's tensors lie in these arrays
        most = max(rows, DRAFT_SLOTS if guessed_for else 1)
        self._decode_sizes = [1 << power for power in range((most - 1).bit_length() + 1)]
        self.draft_slots = min(DRAFT_SLOTS, self._decode_sizes[-1])
        self._check_sizes = sorted(size for size in (*self._decode_sizes, BETWEEN) if size <= self.draft_slots)
        self.drawing: Drawing | None = built.drawer
        self.guessing: Guessing | None = None
        self._make_step = built.make_step
        self._steps: dict[tuple[int, int], Step] = {}

    def prefill(self, row: int, tokens: Sequence[int], start: int) -> Logits:
        """Write K and V of ``tokens`` at ``start``… of ``row``; return the last token's logits (vocab,).

        Raises ValueError where they do not fit: no tokens, an unknown row, or more than the context holds.
        """
        if not tokens:
            raise ValueError("prefill needs at least one token")
        self._check(row, start, start + len(tokens) - 1)
        first = 0
        for slots in steps_for(len(tokens), self._slices):
            piece = tokens[first : first + slots]
            positions = range(start + first, start + first + len(piece))
            logits = self._run(slots, piece, positions, [row] * len(piece), wanted=[len(piece) - 1])
            first += slots
        result: Logits = logits[0]
        return result

    def decode(self, rows: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> Logits:
        """Advance each of ``rows`` by one token at its position; return logits (len(rows), vocab).

        Raises ValueError where the lengths differ, or a row or position does not exist.
        """
        if not len(rows) == len(tokens) == len(positions):
            raise ValueError(f"decode needs as many tokens ({len(tokens)}) and positions as rows ({len(rows)})")
        for row, position in zip(rows, positions, strict=True):
            self._check(row, position, position)
        slots = bucket_for(len(rows), self._decode_sizes)
        return self._run(slots, tokens, positions, rows, wanted=range(len(rows)))

    def extend(self, row: int, tokens: Sequence[int], start: int) -> Logits:
        """Write K and V of up to ``draft_slots`` tokens; return the logits after each, (n, vocab).

        Raises ValueError where they do not fit, as :meth:`prefill`.
        """
        if not 0 < len(tokens) <= self.draft_slots:
            raise ValueError(f"extend takes 1 to {self.draft_slots} tokens, not {len(tokens)}")
        self._check(row, start, start + len(tokens) - 1)
        slots = bucket_for(len(tokens), self._check_sizes)
        positions = range(start, start + len(tokens))
        return self._run(slots, tokens, positions, [row] * len(tokens), wanted=range(slots))[: len(tokens)]

    def warm_up(self) -> Generator[tuple[int, int], None, None]:
        """Capture every step that serving needs, and time one; yields (done, total) before each and at the end."""
        sizes = [(slots, 1) for slots in self._slices]
        sizes += [(slots, slots) for slots in sorted({*self._check_sizes, *self._decode_sizes})]
        for index, (slots, wanted) in enumerate(sizes):
            yield index, len(sizes)
            if not self._step(slots, wanted).ready:
                self._run(slots, [0], [0], [self.rows], wanted=[0] * wanted)
        self._run(slots, [0], [0], [self.rows], wanted=[0] * wanted)
        began = time.perf_counter()
        self._run(slots, [0], [0], [self.rows], wanted=[0] * wanted)
        self.info = replace(self.info, step_s=time.perf_counter() - began)
        yield len(sizes), len(sizes)

    def guess_ahead(self) -> None:
        """Have what guesses with this model made, where it can be. It is a draft, and warmed up."""
        from plugins.gpt2.model.cpu.guessing import Guesser
        from plugins.gpt2.model.cpu.step_cache import TableStep

        step = self._step(1, 1)
        if isinstance(step, TableStep) and self.drawing is not None:
            self.guessing = Guesser(step, self.info.vocab_size, self.info.parameters)

    @property
    def token_cost(self) -> TokenCost:
        """Count what decoding one token takes."""
        if self._network is None:
            raise RuntimeError(f"{self.info.name} was closed")
        step = self._steps.get((1, 1))
        return TokenCost(None if step is None else step.kernels, self._network().bytes_per_token)

    def close(self) -> None:
        """Let go of weights, cache and captured steps; their memory is freed."""
        self._steps.clear()
        self._network = self._packed = None
        self._make_step = _closed
        if self.draft is not None:
            self.draft.close()

    def _check(self, row: int, first: int, last: int) -> None:
        if not 0 <= row < self.rows:
            raise ValueError(f"row {row} does not exist; there are {self.rows}")
        if first < 0 or last >= self.info.context_length:
            raise ValueError(f"positions {first} to {last} do not fit the context of {self.info.context_length}")

    def _run(
        self, slots: int, tokens: Sequence[int], positions: Sequence[int], rows: Sequence[int], wanted: Sequence[int]
    ) -> Logits:
        """Run one step with the given slots; what is left over works on the spare row, unseen by anyone."""
        picked = np.zeros(slots if len(wanted) > 1 else 1, np.int32)
        picked[: len(wanted)] = wanted
        inputs = np.zeros((3, slots), np.int32)
        inputs[2] = self.rows
        inputs[:, : len(tokens)] = tokens, positions, rows
        return self._step(slots, len(picked)).run(inputs, picked)[: len(wanted), : self.info.vocab_size]

    def _step(self, slots: int, wanted: int) -> Step:
        if (step := self._steps.get((slots, wanted))) is None:
            step = self._steps[slots, wanted] = self._make_step(slots, wanted)
        return step


def prefill_slices(
    parameters: int, threads: int, rate: float = FP32_RATE, context: int = LONG_SLICES[0]
) -> tuple[int, ...]:
    """Return the sizes of prefill steps, the largest last: what a model of so many parameters may take at a time.

    ``rate`` is how many weights a core multiplies in a second. No step is larger than what holds a whole ``context``.
    """
    most = rate * threads * SLICE_S / parameters
    longest = next((slots for slots in LONG_SLICES if slots <= most), SHORT_SLICES[0])
    longest = min((longest, *(slots for slots in LONG_SLICES if slots >= context)))
    return (*(short for short in SHORT_SLICES if short < longest), longest)


def _closed(slots: int, wanted: int) -> Step:
    raise RuntimeError("the model was closed")


def loading(
    checkpoint: Checkpoint,
    *,
    weights: Weights | None = None,
    rows: int = 8,
    device: str | None = None,
    threads: int | None = None,
    products: Products | None = None,
    draft: Checkpoint | None = None,
) -> Generator[LoadProgress, None, GPT2]:
    """Build the model step by step: a generator, so that its thread can serve others in between.

    ``device`` and ``weights`` are as ``target.device_plan.plan_for`` takes them; ``threads`` None is every core;
    ``products`` None is the best that the processor has, and matters to int8 and int4 on a CPU alone. ``draft`` is
    loaded after it, to guess for it. The model is the generator's return value. Raises ``WrongDraft``,
    ``CheckpointError`` from a tensor that does not fit, ``compiler.NoCompiler`` on a CPU, RuntimeError from a device
    that this machine does not have, and ValueError from one that there is nowhere.
    """
    plan = plan_for(device, weights)
    if draft is not None:
        check_draft(draft, checkpoint)
    with uncollected():
        open_device(plan.device)
        from plugins.gpt2.model.build import build  # imports tinygrad, which reads the environment at once

    built = yield from build(checkpoint, plan, rows=rows, threads=threads, products=products)
    with uncollected():
        tokenizer = checkpoint.tokenizer()
    model = GPT2(built, tokenizer, rows, guessed_for=draft is not None)
    for done, total in model.warm_up():
        yield LoadProgress("warming up", "", done, total, model.info.weight_bytes)
    if draft is not None:
        small = loading(draft, weights=weights, rows=1, device=device, threads=threads, products=products)
        model.draft = yield from small
        model.draft.guess_ahead()
    return model


def load(
    checkpoint: Checkpoint,
    *,
    weights: Weights | None = None,
    rows: int = 8,
    device: str | None = None,
    threads: int | None = None,
    products: Products | None = None,
    draft: Checkpoint | None = None,
    on_progress: Callable[[LoadProgress], None] | None = None,
) -> GPT2:
    """Build the model in one go; as :func:`loading`."""
    steps = loading(
        checkpoint, weights=weights, rows=rows, device=device, threads=threads, products=products, draft=draft
    )
    while True:
        try:
            progress = next(steps)
        except StopIteration as done:
            model: GPT2 = done.value
            return model
        if on_progress is not None:
            on_progress(progress)


if __name__ == "__main__":
    from plugins.gpt2.cli.generate import main
    from townhall_bot.cli.output import bearing

    sys.exit(bearing(main))
