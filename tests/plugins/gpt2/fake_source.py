"""Models out of thin air for the service, under any name, with what a test wants of them."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

from plugins.gpt2.messages import Message, message
from plugins.gpt2.service.model_source import Opened
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.fake_model import FakeModel, ScriptedModel, loading

Start = Callable[..., Awaitable[GPT2Service]]
"""What the fixture ``start`` gives."""


class Gate:
    """Lets ``after`` steps pass, then holds the engine thread before each one until it is opened."""

    def __init__(self, after: int = 0) -> None:
        self._open = threading.Event()
        self._free = after

    def __call__(self, kind: str) -> None:
        if self._free > 0:
            self._free -= 1
        else:
            self._open.wait(20)

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.clear()


class FakeSource:
    """Implements ModelSource. Names that start with "bad" cannot be opened; ``script`` is what the models write,
    ``step_s`` the seconds of a step that loading them measured."""

    def __init__(
        self,
        *,
        rows: int = 2,
        context: int = 512,
        memory_bytes: int = 1000,
        before_step: Callable[[str], None] = lambda kind: None,
        before_open: Callable[[str], object] = lambda name: None,
        script: str | None = None,
        step_s: float | None = None,
    ) -> None:
        self.rows = rows
        self.context = context
        self.memory_bytes = memory_bytes
        self.before_step = before_step
        self.before_open = before_open
        self.script = script
        self.step_s = step_s
        self.opened: list[str] = []
        self.models: list[FakeModel] = []

    def open(self, name: str, on_progress: Callable[[Message], None]) -> Opened:
        self.opened.append(name)
        on_progress(message("progress.downloading", model=name, done="1 MB", total="2 MB", percent=50))
        self.before_open(name)
        if name.startswith("bad"):
            raise ValueError(f"{name}: /srv/models/{name}/config.json is not there. Copy it again.")
        return Opened(self.memory_bytes, lambda: loading(self._make(name)))

    def _make(self, name: str) -> FakeModel:
        facts: dict[str, Any] = {"rows": self.rows, "context": self.context, "step_s": self.step_s}
        if self.script is None:
            model = FakeModel(name, before_step=self.before_step, **facts)
        else:
            model = ScriptedModel(self.script, name, before_step=self.before_step, **facts)
        self.models.append(model)
        return model


def settings(**changes: object) -> GPT2Settings:
    values: dict[str, object] = {"model": "fake", "allowed_models": "fake,other,third,bad", "member_limit": 100}
    return GPT2Settings.model_validate(values | changes)
