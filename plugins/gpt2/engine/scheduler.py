"""Decides what one model does next: who has a row, whose prompt is read, who gets a token. Pure Python.

:meth:`Scheduler.step` is plan, run, settle. Requests join and leave between steps. A step reads at most one slice of
one prompt and then gives every running row its next token, so a long prompt stalls nobody.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from plugins.gpt2.engine.draft_model import DraftModel
from plugins.gpt2.engine.guess_cost import GuessCost
from plugins.gpt2.engine.request_stats import RequestStats
from plugins.gpt2.engine.row_allocator import RowAllocator
from plugins.gpt2.engine.sequence import Sequence, begin
from plugins.gpt2.language_model import LanguageModel, Logits
from plugins.gpt2.messages import message
from plugins.gpt2.protocol import (
    EngineFailed,
    Event,
    Finished,
    FinishReason,
    GenerationError,
    GenerationRequest,
    Started,
    Text,
)

Outcome = tuple[int, Event | GenerationError]
"""A request's key and what became of it; a Finished or an error is its last."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one step runs: a slice of one sequence's prefill, and one decode of all the others that are ready."""

    prefill: Sequence | None
    decode: tuple[Sequence, ...]


@dataclass(slots=True)
class Step:
    """What one step gave. ``error`` is set where the model failed: it must be rebuilt before the next step."""

    outcomes: list[Outcome] = field(default_factory=list)
    error: Exception | None = None


class Scheduler:
    """Serves many requests with one model. ``clock`` gives seconds, the same as the submitters'."""

    def __init__(self, model: LanguageModel, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._model, self._draft = model, _draft_of(model)
        self._clock = clock
        self._waiting: deque[tuple[int, GenerationRequest, float]] = deque()
        self._sequences: dict[int, Sequence] = {}  # by key, in order of joining
        self._cancelled: set[int] = set()
        self._rows = RowAllocator(model.rows)
        self._guess_cost = GuessCost()

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._waiting or self._sequences)

    def keys(self) -> list[int]:
        """Return the keys of all requests that are waiting or running."""
        return [*self._sequences, *(key for key, _, _ in self._waiting)]

    def new_tokens(self, key: int) -> int:
        """Return how many tokens the running request has; 0 for one that waits or is gone."""
        sequence = self._sequences.get(key)
        return 0 if sequence is None else sequence.stats.new_tokens

    def submit(self, key: int, request: GenerationRequest, submitted: float) -> None:
        """Take a request; ``submitted`` is when its person asked, on the clock."""
        self._waiting.append((key, request, submitted))

    def cancel(self, key: int) -> None:
        """End a request at the next step; one that has ended already is no error."""
        if key in self._sequences or any(key == waiting for waiting, _, _ in self._waiting):
            self._cancelled.add(key)

    def rebuilt(self, model: LanguageModel) -> None:
        """Go on with a fresh ``model``: every running sequence reads its tokens again and continues where it was."""
        self._model, self._draft = model, _draft_of(model)
        self._rows.invalidate()
        for sequence in self._sequences.values():
            sequence.cached = 0

    def admit_and_retire(self) -> list[Outcome]:
        """Let requests leave and join; each step begins with it, and a caller may tell its outcomes before the step."""
        step = Step()
        self._leave(step)
        self._join(step)
        return step.outcomes

    def step(self) -> Step:
        """Let requests leave and join, run the model once, and tell what came of it."""
        step = Step(self.admit_and_retire())
        plan = self._plan()
        for sequences, run in self._runs(plan):
            try:
                logits = run()
            except Exception as error:  # whatever a device or driver raises ends these requests, not the engine
                step.error = error
                step.outcomes += [(sequence.key, self._fail(sequence, error)) for sequence in sequences]
                break
            for sequence, row_logits in zip(sequences, logits, strict=True):
                self._accept(sequence, row_logits, step)
            if step.error is not None:
                break
        return step

    def _leave(self, step: Step) -> None:
        for key in self._cancelled:
            if sequence := self._sequences.get(key):
                step.outcomes += self._finish(sequence, "cancelled")
        unheard = [entry for entry in self._waiting if entry[0] in self._cancelled]
        for entry in unheard:
            self._waiting.remove(entry)
            step.outcomes += self._never_started(*entry)
        self._cancelled.clear()

    def _join(self, step: Step) -> None:
        while self._rows.free and self._waiting:
            key, request, submitted = self._waiting.popleft()
            stats = RequestStats(submitted, started=self._clock())
            try:
                sequence = begin(key, request, stats, self._model, self._rows)
            except GenerationError as error:
                step.outcomes.append((key, error))
                continue
            self._sequences[key] = sequence
            step.outcomes.append((key, Started(sequence.notice)))

    def _plan(self) -> Plan:
        prefill = next((sequence for sequence in self._sequences.values() if sequence.prefilling), None)
        return Plan(prefill, tuple(sequence for sequence in self._sequences.values() if not sequence.prefilling))

    def _runs(self, plan: Plan) -> Iterator[tuple[list[Sequence], Callable[[], list[Logits]]]]:
        """Yield sequences with the call that runs the model for them; it returns logits (n, vocab) of each."""
        if len(plan.decode) == 1 and plan.prefill is None:
            yield list(plan.decode), lambda: self._guess(plan.decode[0])
        elif plan.decode:
            yield list(plan.decode), lambda: self._decode(plan.decode)
        if plan.prefill is not None:
            sequence = plan.prefill
            yield [sequence], lambda: [self._prefill(sequence)]

    def _prefill(self, sequence: Sequence) -> Logits:
        begun = self._clock()
        tokens = sequence.tokens[sequence.cached : sequence.cached + self._model.prefill_slice]
        logits = self._model.prefill(sequence.row, tokens, sequence.cached)
        sequence.cached += len(tokens)
        sequence.stats.prefill_s += self._clock() - begun
        sequence.stats.prefilled += len(tokens)
        return logits[None]

    def _decode(self, sequences: tuple[Sequence, ...]) -> list[Logits]:
        begun = self._clock()
        logits = self._model.decode(
            [sequence.row for sequence in sequences],
            [sequence.tokens[-1] for sequence in sequences],
            [sequence.cached for sequence in sequences],
        )
        if len(sequences) == 1:
            self._guess_cost.single(self._clock() - begun)
        for sequence in sequences:
            sequence.cached += 1
        return [logits[index : index + 1] for index in range(len(sequences))]

    def _guess(self, sequence: Sequence) -> list[Logits]:
        """Decode one sequence's next token and, in the same step, what would follow if a guess of it is right."""
        begun = self._clock()
        draft = None if self._guess_cost.wants_single else self._draft
        guess = sequence.guess(self._model, draft, self._guess_cost)
        guessed = self._clock()
        if sequence.drafted and self._draft is not None:
            self._guess_cost.drafted(self._draft.written, guessed - begun)
        if guess:
            logits = self._model.extend(sequence.row, [sequence.tokens[-1], *guess], sequence.cached)
            sequence.cached += 1
            sequence.draft = guess
            self._guess_cost.checked(len(guess), self._clock() - guessed)
        else:
            [logits] = self._decode((sequence,))
        return [logits]

    def _accept(self, sequence: Sequence, logits: Logits, step: Step) -> None:
        """Choose the sequence's next tokens where all its tokens are read; a guess counts as far as it was right."""
        if sequence.cached < len(sequence.tokens):
            return
        draft, sequence.draft = sequence.draft, []
        for index, after in enumerate(logits):
            if index:
                sequence.cached += 1  # the guess was right, so its keys and values are in the cache already
            self._append_token(sequence, after, step)
            right = index < len(draft) and sequence.tokens[-1] == draft[index]
            if not right or sequence.key not in self._sequences:
                break
        if sequence.drafted and self._draft is not None:
            self._draft.learn(sequence.sampler, index, len(draft))
            gained = index - self._guess_cost.of_draft(self._draft.written, len(draft))
            sequence.draft_pace.record(gained, len(sequence.tokens), worth=0)
            sequence.drafted = False
        elif draft:
            sequence.lookup.learn(index, len(draft), len(sequence.tokens), self._guess_cost)

    def _append_token(self, sequence: Sequence, logits: Logits, step: Step) -> None:
        """Choose one token, and give out the text that became certain."""
        try:
            token = sequence.sampler.sample(logits)
        except FloatingPointError as error:
            step.error = error
            step.outcomes.append((sequence.key, self._fail(sequence, error)))
            return
        sequence.tokens.append(token)
        sequence.stats.token(self._clock())
        if piece := sequence.text_after(token):
            step.outcomes.append((sequence.key, Text(piece, sequence.stats.tell_tokens())))
        if reason := sequence.end_after(token, self._model.info):
            step.outcomes += self._finish(sequence, reason)

    def _finish(self, sequence: Sequence, reason: FinishReason) -> list[Outcome]:
        del self._sequences[sequence.key]
        self._rows.release(sequence.row, sequence.tokens[: sequence.cached])
        rest = sequence.last_text(reason)
        texts: list[Outcome] = [(sequence.key, Text(rest, sequence.stats.tell_tokens()))] if rest else []
        timing = sequence.timing(self._clock(), self._model.info)
        return [*texts, (sequence.key, Finished(reason, timing, sequence.end.cut))]

    def _never_started(self, key: int, request: GenerationRequest, submitted: float) -> list[Outcome]:
        timing = RequestStats(submitted).timing(
            self._clock(), info=self._model.info, prompt_tokens=0, seed=request.sampling.seed or 0
        )
        return [(key, Finished("cancelled", timing))]

    def _fail(self, sequence: Sequence, error: Exception) -> EngineFailed:
        del self._sequences[sequence.key]
        self._rows.release(sequence.row, ())  # who knows what the failed step left in it
        sequence.last_text("cancelled")
        return EngineFailed(message("failed.step", error=type(error).__name__), sequence.end.text)


def _draft_of(model: LanguageModel) -> DraftModel | None:
    return None if model.draft is None else DraftModel(model.draft)
