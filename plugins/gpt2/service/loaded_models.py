"""The models that serve, who holds them, and which of them may leave: the longest unused first. Pure bookkeeping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.protocol import ServingModel


@dataclass(slots=True)
class LoadedModel:
    """A loaded model, and how much of it there is: ``rows`` requests at once."""

    info: ModelInfo
    rows: int
    memory_bytes: int
    last_use: int = 0
    """Counts up with each use, to tell which one was used last."""
    used_at: float = 0.0
    """When that was, in seconds of the clock."""


class LoadedModels:
    """Loaded models by name. One that is held never leaves. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._models: dict[str, LoadedModel] = {}
        self._held: Counter[str] = Counter()
        self._uses = 0

    def __contains__(self, name: str) -> bool:
        return name in self._models

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def get(self, name: str) -> LoadedModel | None:
        """Return a model, None where it is not loaded."""
        return self._models.get(name)

    def add(self, name: str, model: LoadedModel) -> None:
        """Take a model in, used now; it replaces one of the same name."""
        self._models[name] = model
        self.touch(name)

    def discard(self, name: str) -> LoadedModel | None:
        """Take a model out; return it, None where it was not there."""
        return self._models.pop(name, None)

    def clear(self) -> None:
        """Take all models out."""
        self._models.clear()

    def touch(self, name: str) -> LoadedModel | None:
        """Return a model, and note that it is used now; None where it is not loaded."""
        model = self._models.get(name)
        if model is not None:
            self._uses += 1
            model.last_use = self._uses
            model.used_at = self._clock()
        return model

    def hold(self, name: str) -> None:
        """Keep a model for one more user, from when it is there."""
        self._held[name] += 1
        self.touch(name)

    def release(self, name: str) -> None:
        """Let one of its users go."""
        self._held[name] -= 1
        self.touch(name)

    @property
    def newest(self) -> LoadedModel | None:
        """The model that was used last, None where there is none."""
        return max(self._models.values(), key=lambda model: model.last_use, default=None)

    @property
    def memory_bytes(self) -> int:
        """What all of them take."""
        return sum(model.memory_bytes for model in self._models.values())

    @property
    def serving(self) -> tuple[ServingModel, ...]:
        """All of them, with the requests they take at once."""
        return tuple(ServingModel(model.info, model.rows) for model in self._models.values())

    def idle(self) -> list[str]:
        """Return those that nobody holds, the longest unused first."""
        idle = [name for name in self._models if not self._held[name]]
        return sorted(idle, key=lambda name: self._models[name].last_use)

    def idle_for(self, seconds: float) -> list[str]:
        """Return those that nobody has used for that long."""
        return [name for name in self.idle() if self._clock() - self._models[name].used_at >= seconds]

    def beyond(self, limit: int) -> list[str]:
        """Return those that should leave for no more than ``limit`` to stay, as far as they may."""
        newest = self.newest  # it came for a reason, perhaps just now
        leaving = [name for name in self.idle() if self._models[name] is not newest]
        return leaving[: max(0, len(self._models) - limit)]
