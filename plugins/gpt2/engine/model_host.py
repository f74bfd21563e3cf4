"""One model in the engine thread: being loaded, serving, being rebuilt after a failure, or taken out of service."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Hashable, Set
from math import ceil

from plugins.gpt2.engine.failures import Failures
from plugins.gpt2.engine.notices import Failed, Loaded, Loading, Notice, NotLoaded, RequestEvent
from plugins.gpt2.engine.scheduler import Scheduler, Step
from plugins.gpt2.formatting import detail
from plugins.gpt2.language_model import LanguageModel, LoadProgress
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import Finished, GenerationError, GenerationRequest, ModelUnavailable

log = logging.getLogger("townhall.gpt2.engine")

Build = Callable[[], Generator[LoadProgress, None, LanguageModel]]
"""Starts loading a model, in the engine thread; each ``next`` is a small piece of the work."""


class ModelHost:
    """Loads a model piece by piece and serves requests with it; a failing step costs its own requests only."""

    def __init__(self, name: str, build: Build, clock: Callable[[], float]) -> None:
        self.name = name
        self.gone = False
        """Whether the host is of no use any more; its requests have been told."""
        self._build = build
        self._clock = clock
        self._loading: Generator[LoadProgress, None, LanguageModel] | None = self._start()
        self._model: LanguageModel | None = None
        self._scheduler: Scheduler | None = None
        self._failures = Failures(clock)
        self._askers: dict[int, Hashable] = {}
        """Who asked, by the request's key; one that nobody is known to have asked is somebody's of their own."""

    @property
    def busy(self) -> bool:
        """Whether :meth:`advance` has anything to do."""
        return not self.gone and (self._loading is not None or (self._scheduler is not None and self._scheduler.busy))

    def submit(self, key: int, request: GenerationRequest, submitted: float) -> list[Notice]:
        """Take a request; one that comes before the model is loaded is refused."""
        if self._scheduler is None:
            return [Failed(key, ModelUnavailable(message("failed.not_here", model=self.name)))]
        asker: Hashable = ("request", key) if request.user_id is None else request.user_id
        if wait_s := self._failures.refused_for(asker):
            return [Failed(key, ModelUnavailable(message("failed.yours", model=self.name, count=ceil(wait_s / 60))))]
        self._askers[key] = asker
        self._scheduler.submit(key, request, submitted)
        return []

    def cancel(self, key: int) -> None:
        """End a request at the next step, if it is here."""
        if self._scheduler is not None:
            self._scheduler.cancel(key)

    def advance(self) -> list[Notice]:
        """Do one piece of loading or one step, and tell what came of it."""
        if self._loading is not None:
            return self._load_on(self._loading)
        if self._scheduler is None or not self._scheduler.busy:
            return []
        # Who joins hears of it before the step, which may take a while.
        joined = self._scheduler.admit_and_retire()
        step = Step(joined) if joined else self._scheduler.step()
        notices: list[Notice] = []
        failing = set[Hashable]()
        for key, outcome in step.outcomes:
            if isinstance(outcome, GenerationError):
                notices.append(Failed(key, outcome))
                failing.add(self._askers.pop(key))
            else:
                notices.append(RequestEvent(key, outcome))
                if isinstance(outcome, Finished):
                    asker = self._askers.pop(key)
                    if outcome.reason != "cancelled":
                        self._failures.finished(asker)
        if step.error is not None:
            notices += self._failed(step.error, failing)
        return notices

    def close(self, error: GenerationError) -> list[Notice]:
        """Free the memory; whoever still waits or runs is told ``error``."""
        self.gone = True
        keys = [] if self._scheduler is None else self._scheduler.keys()
        self._free()
        return [Failed(key, error) for key in keys]

    def _start(self) -> Generator[LoadProgress, None, LanguageModel]:
        """Begin to load, at the first ``next``: what importing the model raises belongs to loading, too."""
        return (yield from self._build())

    def _load_on(self, loading: Generator[LoadProgress, None, LanguageModel]) -> list[Notice]:
        try:
            return [Loading(self.name, next(loading))]
        except StopIteration as done:
            model: LanguageModel = done.value
        except Exception as error:  # a bad file, no memory, no compiler: the reason goes to whoever asked for it
            log.warning("loading %s failed", self.name, exc_info=error)
            return self._out_of_service(detail(error))
        self._loading = None
        self._model = model
        if self._scheduler is None:
            self._scheduler = Scheduler(model, clock=self._clock)
        else:
            self._scheduler.rebuilt(model)
        return [Loaded(self.name, model.info, model.rows)]

    def _failed(self, error: Exception, askers: Set[Hashable]) -> list[Notice]:
        at_fault = self._failures.failed(askers)
        log.error("a step of %s failed (%d in a row)", self.name, self._failures.in_a_row, exc_info=error)
        if at_fault:
            what = f"{type(error).__name__}: {detail(error)}"
            return self._out_of_service(message("failed.in_a_row", times=self._failures.in_a_row, error=what))
        self._free()
        self._loading = self._start()
        return []

    def _out_of_service(self, reason: Message | str) -> list[Notice]:
        told = self.close(ModelUnavailable(message("failed.out_of_service", model=self.name, reason=reason)))
        return [*told, NotLoaded(self.name, reason)]

    def _free(self) -> None:
        parts = [part for part in (self._loading, self._model) if part is not None]
        self._loading = self._model = None
        for part in parts:
            try:
                part.close()
            except Exception as error:  # a broken device may refuse even this; the host goes on without it
                log.warning("closing %s failed", self.name, exc_info=error)
