"""Decides what one model does next: who has a row, whose prompt is read, who gets a token. Pure Python.

:meth:`Scheduler.step` is plan, run, settle. Requests join and leave between steps. A step reads at most one slice of
one prompt and then gives every running row its next token, so a long prompt stalls nobody.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from plugins.gpt2.engine.request_stats import RequestStats
from plugins.gpt2.engine.row_allocator import Rows
from plugins.gpt2.engine.sequence import Job, begin
from plugins.gpt2.language_model import LanguageModel, Logits
from plugins.gpt2.messages import say
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
    """What one step runs: a slice of one job's prefill, and one decode of all the others that are ready."""

    prefill: Job | None
    decode: tuple[Job, ...]


@dataclass(slots=True)
class Step:
    """What one step gave. ``error`` is set where the model failed: it must be rebuilt before the next step."""

    outcomes: list[Outcome] = field(default_factory=list)
    error: Exception | None = None


class Scheduler:
    """Serves many requests with one model. ``clock`` gives seconds, the same as the submitters'."""

    def __init__(self, model: LanguageModel, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._model = model
        self._clock = clock
        self._waiting: deque[tuple[int, GenerationRequest, float]] = deque()
        self._jobs: dict[int, Job] = {}  # by key, in order of joining
        self._cancelled: set[int] = set()
        self._rows = Rows(model.rows)

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._waiting or self._jobs)

    def keys(self) -> list[int]:
        """Return the keys of all requests that are waiting or running."""
        return [*self._jobs, *(key for key, _, _ in self._waiting)]

    def new_tokens(self, key: int) -> int:
        """Return how many tokens the running request has; 0 for one that waits or is gone."""
        job = self._jobs.get(key)
        return 0 if job is None else job.stats.new_tokens

    def submit(self, key: int, request: GenerationRequest, submitted: float) -> None:
        """Take a request; ``submitted`` is when its person asked, on the clock."""
        self._waiting.append((key, request, submitted))

    def cancel(self, key: int) -> None:
        """End a request at the next step; one that has ended already is no error."""
        if key in self._jobs or any(key == waiting for waiting, _, _ in self._waiting):
            self._cancelled.add(key)

    def rebuilt(self, model: LanguageModel) -> None:
        """Go on with a fresh ``model``: every running job reads its tokens again and continues where it was."""
        self._model = model
        self._rows.forget()
        for job in self._jobs.values():
            job.cached = 0

    def turnover(self) -> list[Outcome]:
        """Let requests leave and join; each step begins with it, and a caller may tell its outcomes before the step."""
        step = Step()
        self._leave(step)
        self._join(step)
        return step.outcomes

    def step(self) -> Step:
        """Let requests leave and join, run the model once, and tell what came of it."""
        step = Step(self.turnover())
        plan = self._plan()
        for jobs, run in self._runs(plan):
            try:
                logits = run()
            except Exception as error:  # whatever a device or driver raises ends these requests, not the engine
                step.error = error
                step.outcomes += [(job.key, self._fail(job, error)) for job in jobs]
                break
            for job, row_logits in zip(jobs, logits, strict=True):
                self._settle(job, row_logits, step)
            if step.error is not None:
                break
        return step

    def _leave(self, step: Step) -> None:
        for key in self._cancelled:
            if job := self._jobs.get(key):
                step.outcomes += self._finish(job, "cancelled")
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
                job = begin(key, request, stats, self._model, self._rows)
            except GenerationError as error:
                step.outcomes.append((key, error))
                continue
            self._jobs[key] = job
            step.outcomes.append((key, Started(job.notice)))

    def _plan(self) -> Plan:
        prefill = next((job for job in self._jobs.values() if job.prefilling), None)
        return Plan(prefill, tuple(job for job in self._jobs.values() if not job.prefilling))

    def _runs(self, plan: Plan) -> Iterator[tuple[list[Job], Callable[[], list[Logits]]]]:
        """Yield jobs with the call that runs the model for them; it returns logits (n, vocab) of each."""
        alone = plan.decode[0] if len(plan.decode) == 1 and plan.prefill is None else None
        if alone is not None and (draft := alone.make_draft(self._model)):
            yield [alone], lambda: [self._extend(alone, draft)]
        elif plan.decode:
            yield list(plan.decode), lambda: self._decode(plan.decode)
        if plan.prefill is not None:
            job = plan.prefill
            yield [job], lambda: [self._prefill(job)]

    def _prefill(self, job: Job) -> Logits:
        begun = self._clock()
        tokens = job.tokens[job.cached : job.cached + self._model.prefill_slice]
        logits = self._model.prefill(job.row, tokens, job.cached)
        job.cached += len(tokens)
        job.stats.prefill_s += self._clock() - begun
        job.stats.prefilled += len(tokens)
        return logits[None]

    def _decode(self, jobs: tuple[Job, ...]) -> list[Logits]:
        logits = self._model.decode(
            [job.row for job in jobs], [job.tokens[-1] for job in jobs], [job.cached for job in jobs]
        )
        for job in jobs:
            job.cached += 1
        return [logits[index : index + 1] for index in range(len(jobs))]

    def _extend(self, job: Job, draft: list[int]) -> Logits:
        """Decode one job's next token and, in the same step, what would follow if ``draft`` is guessed right."""
        logits = self._model.extend(job.row, [job.tokens[-1], *draft], job.cached)
        job.cached += 1
        job.draft = draft
        return logits

    def _settle(self, job: Job, logits: Logits, step: Step) -> None:
        """Choose the job's next tokens where all its tokens are read; a guess counts as far as it was right."""
        if job.cached < len(job.tokens):
            return
        draft, job.draft = job.draft, []
        for index, after in enumerate(logits):
            if index:
                job.cached += 1  # the guess was right, so its keys and values are in the cache already
            self._choose(job, after, step)
            right = index < len(draft) and job.tokens[-1] == draft[index]
            if not right or job.key not in self._jobs:
                break
        if draft:
            job.lookup.learn(index, len(job.tokens))

    def _choose(self, job: Job, logits: Logits, step: Step) -> None:
        """Choose one token, and give out the text that became certain."""
        try:
            token = job.sampler.sample(logits)
        except FloatingPointError as error:
            step.error = error
            step.outcomes.append((job.key, self._fail(job, error)))
            return
        job.tokens.append(token)
        job.stats.token(self._clock())
        ended = token == self._model.info.end_of_text
        if not ended and (piece := job.stream.push(token)):
            step.outcomes.append((job.key, Text(piece)))
        if reason := job.end_after(token, self._model.info):
            step.outcomes += self._finish(job, reason)

    def _finish(self, job: Job, reason: FinishReason) -> list[Outcome]:
        del self._jobs[job.key]
        self._rows.give_back(job.row, job.tokens[: job.cached])
        rest = job.stream.finish()
        texts: list[Outcome] = [(job.key, Text(rest))] if rest else []
        return [*texts, (job.key, Finished(reason, job.timing(self._clock(), self._model.info)))]

    def _never_started(self, key: int, request: GenerationRequest, submitted: float) -> list[Outcome]:
        timing = RequestStats(submitted).timing(
            self._clock(), info=self._model.info, prompt_tokens=0, seed=request.sampling.seed or 0
        )
        return [(key, Finished("cancelled", timing))]

    def _fail(self, job: Job, error: Exception) -> EngineFailed:
        del self._jobs[job.key]
        self._rows.give_back(job.row, ())  # who knows what the failed step left in it
        job.stream.finish()
        return EngineFailed(say("failed.step", error=type(error).__name__), job.stream.text)
