"""The engines that registered: which of them live, what they hold, how many rows are taken, and who writes the next."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.protocol import GenerationRequest, ModelEntry, ServingModel
from plugins.gpt2.wire.calling import Caller
from plugins.gpt2.wire.registration import Registration

LEASE_S = 3.0
"""Seconds after which an engine that did not register again counts as gone."""
OPENING = 64
"""Characters of a prompt by which texts are sent to where the like was read before."""
REMEMBERED = 2000
"""Openings whose engine is remembered."""
BUSIER = 2
"""How many rows more an engine may have taken than the least busy one, and still get what it has read before."""


@dataclass(eq=False)
class Engine:
    """One engine, in the router's books. ``busy`` counts the rows taken by model; only this router's."""

    registration: Registration
    caller: Caller
    seen: float
    busy: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """Its name in this run."""
        return self.registration.name

    def model(self, name: str) -> ServingModel | None:
        """Return a model that it has loaded."""
        return next((each for each in self.registration.status.loaded if each.info.name == name), None)

    def free(self, model: str) -> int:
        """Return how many more requests of a model it takes."""
        serving = self.model(model)
        return 0 if serving is None else serving.rows - self.busy[model]


class Fleet:
    """All engines by name. ``clock`` is in seconds and real: a lease goes on while a test's time stands still."""

    def __init__(self, session: aiohttp.ClientSession, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._engines: dict[str, Engine] = {}
        self._homes: dict[tuple[str, str], str] = {}
        self.affinity_hits = 0
        self.affinity_misses = 0
        self.lost = 0
        """How many engines went without a word while they wrote, or between two registrations."""

    def register(self, said: Registration) -> bool:
        """Take what an engine says of itself; return whether that makes a difference to who can be served."""
        engine = self._engines.get(said.name)
        if engine is None:
            engine = self._engines[said.name] = Engine(said, Caller(said.url, self._session), self._clock())
            return True
        changed = engine.registration != said or not self._lives(engine)
        engine.registration, engine.seen = said, self._clock()
        return changed

    def lose(self, engine: Engine) -> None:
        """Count an engine as gone until it registers again."""
        if self._lives(engine):
            self.lost += 1
        engine.seen = -LEASE_S - 1e9

    def sweep(self) -> None:
        """Forget those that are gone and write nothing."""
        gone = [engine for engine in self._engines.values() if not self._lives(engine) and not engine.busy.total()]
        for engine in gone:
            del self._engines[engine.name]

    @property
    def living(self) -> list[Engine]:
        """Those that registered of late, with those that are about to leave."""
        return [engine for engine in self._engines.values() if self._lives(engine)]

    @property
    def taking(self) -> list[Engine]:
        """Those that take new requests."""
        return [engine for engine in self.living if not engine.registration.leaving]

    @property
    def offers(self) -> tuple[str, ...]:
        """The models that some engine can load."""
        return tuple(dict.fromkeys(name for engine in self.taking for name in engine.registration.offers))

    @property
    def offered(self) -> tuple[ModelEntry, ...]:
        """The same with what each needs and has there; of several engines' by that of one that has its files."""
        found: dict[str, ModelEntry] = {}
        for entry in (entry for engine in self.taking for entry in engine.registration.status.offered):
            if entry.name not in found or (entry.on_disk and not found[entry.name].on_disk):
                found[entry.name] = entry
        return tuple(found.values())

    def rows_of(self, model: str) -> int | None:
        """Return how many requests of a model are written at once, None where no engine has it."""
        return sum(serving.rows for engine in self.taking if (serving := engine.model(model))) or None

    def info_of(self, model: str) -> ModelInfo | None:
        """Return the facts of a model that some engine has."""
        return next((serving.info for engine in self.taking if (serving := engine.model(model))), None)

    def to_load(self, model: str) -> Engine | None:
        """Return who should load a model: of those that offer it, who has the least to do; None for nobody."""
        able = [engine for engine in self.taking if model in engine.registration.offers]
        return min(able, key=lambda each: (len(each.registration.status.loaded), each.busy.total()), default=None)

    def choose(self, request: GenerationRequest) -> Engine | None:
        """Return who is to write a request: who read the like before, or the least busy; None where no row is free."""
        model = request.model
        free = [engine for engine in self.taking if engine.free(model) > 0]
        if not free:
            return None
        opening = (model, request.prompt[:OPENING])
        home, least = self._homes.get(opening), min(engine.busy.total() for engine in free)
        for engine in free:
            if engine.name == home and engine.busy.total() <= least + BUSIER:
                self.affinity_hits += 1
                return engine
        self.affinity_misses += 1
        chosen = min(free, key=lambda engine: engine.busy.total())
        self._homes[opening] = chosen.name
        if len(self._homes) > REMEMBERED:
            del self._homes[next(iter(self._homes))]
        return chosen

    def _lives(self, engine: Engine) -> bool:
        return self._clock() - engine.seen < LEASE_S
