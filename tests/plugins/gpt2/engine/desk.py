"""What stands between a test and a scheduler: it hands requests in, and collects texts, notices, ends and errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from plugins.gpt2.engine.scheduler import Scheduler
from plugins.gpt2.protocol import Finished, GenerationError, GenerationRequest, Started, Text
from tests.plugins.gpt2.fake_model import FakeModel


class Desk:
    """Hands requests to a scheduler and collects what each of them gets."""

    def __init__(self, model: FakeModel | None = None, clock: Callable[[], float] | None = None) -> None:
        self.model = FakeModel() if model is None else model
        self.ticks = itertools.count()
        self.scheduler = Scheduler(self.model, clock=clock or (lambda: float(next(self.ticks))))
        self.texts: dict[int, str] = {}
        self.notices: dict[int, str | None] = {}
        self.finished: dict[int, Finished] = {}
        self.errors: dict[int, GenerationError] = {}
        self.order: list[int] = []
        self.broken: Exception | None = None

    def submit(self, key: int, asked: GenerationRequest) -> None:
        self.scheduler.submit(key, asked, submitted=0.0)

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            step = self.scheduler.step()
            self.broken = step.error
            for key, outcome in step.outcomes:
                match outcome:
                    case Started(notice):
                        self.notices[key] = None if notice is None else str(notice)
                    case Text(piece):
                        self.texts[key] = self.texts.get(key, "") + piece
                    case Finished():
                        self.finished[key] = outcome
                        self.order.append(key)
                    case GenerationError():
                        self.errors[key] = outcome

    def run(self) -> None:
        while self.scheduler.busy:
            self.step()
