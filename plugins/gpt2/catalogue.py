"""Which models there are to choose from: what each needs, what is on disk, and what the host allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plugins.gpt2 import memory
from plugins.gpt2.model.constants import EMBEDDED_MODEL, OFFICIAL_CONFIGS, GPT2Config
from plugins.gpt2.model.gpt2 import memory_plan
from plugins.gpt2.protocol import ModelUnavailable
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.words import parameters, size

SHARE_OF_MEMORY = 0.8
"""How much of the machine's memory one model may take to be offered; the system and the bot live in the rest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model to choose. Sizes are None where only its files would tell and they are not here."""

    name: str
    parameters: int | None
    memory_bytes: int | None
    on_disk: bool

    def label(self) -> str:
        """Return one line for a choice: name, parameters, memory need, and whether it has to be downloaded."""
        facts = []
        if self.parameters is not None:
            facts.append(f"{parameters(self.parameters)} parameters")
        if self.memory_bytes is not None:
            facts.append(f"needs {size(self.memory_bytes)} of memory")
        facts.append("✓ on disk" if self.on_disk else "to download")
        return f"{self.name} · {', '.join(facts)}"[:100]


class Catalogue:
    """The host's list of models. ``total_memory`` tells the machine's bytes, None where it is not known."""

    def __init__(self, settings: GPT2Settings, *, total_memory: Callable[[], int | None] = memory.total_bytes) -> None:
        self._settings = settings
        total = total_memory() if settings.on_cpu else None  # how much a GPU has, loading will find out
        names = settings.allowed_models or (EMBEDDED_MODEL, *self._official_that_fit(total))
        self.allowed = tuple(dict.fromkeys((settings.model, *names)))
        """The names that an admin may choose, the host's default first."""

    def check(self, name: str) -> None:
        """Raise :class:`ModelUnavailable` where the host does not allow ``name``, whoever asks."""
        budget, config = self._settings.memory_budget, OFFICIAL_CONFIGS.get(name)
        if budget is not None and config is not None and self.memory_need(config) > budget:
            raise ModelUnavailable(over_budget(name, self.memory_need(config), budget))
        if name in self.allowed:
            return
        reason = f"This host does not offer the model “{name[:100]}”."
        if not self._settings.allowed_models and name in OFFICIAL_CONFIGS:
            need = size(self.memory_need(OFFICIAL_CONFIGS[name]))
            reason = f"The model “{name}” needs {need} of memory, more than this machine can spare."
        raise ModelUnavailable(f"{reason} There are: {', '.join(self.allowed)}.")

    def entries(self) -> list[Entry]:
        """Return what an admin may choose from. Looks at the disk: a few milliseconds, not for the event loop."""
        return [self._entry(name) for name in self.allowed]

    def memory_need(self, config: GPT2Config) -> int:
        """Return the bytes that a model of this shape takes with the host's settings."""
        return memory_plan(config, self._settings.planned_weights, self._settings.rows)

    def _official_that_fit(self, total: int | None) -> list[str]:
        return [
            name
            for name, config in OFFICIAL_CONFIGS.items()
            if (total is None or self.memory_need(config) <= total * SHARE_OF_MEMORY)
            and (self._settings.memory_budget is None or self.memory_need(config) <= self._settings.memory_budget)
        ]

    def _entry(self, name: str) -> Entry:
        config = OFFICIAL_CONFIGS.get(name)
        folder = _folder_of(name, allow_pickle=self._settings.allow_pickle)
        if config is None and folder is not None:
            config = _config_in(folder)
        if config is None:
            return Entry(name, None, None, folder is not None)
        return Entry(name, config.parameters, self.memory_need(config), folder is not None)


def over_budget(name: str, need: int, budget: int) -> str:
    """Return why the host's memory budget keeps a model out."""
    return (
        f"“{name[:100]}” needs {size(need)} of memory, and this host gives GPT-2 no more than {size(budget)}. "
        "Choose a smaller model."
    )


def _folder_of(name: str, *, allow_pickle: bool) -> Path | None:
    from plugins.gpt2.model.checkpoint import CheckpointError, on_disk

    try:
        return on_disk(name, allow_pickle=allow_pickle)
    except CheckpointError:
        return None  # choosing it will say what is wrong


def _config_in(folder: Path) -> GPT2Config | None:
    from plugins.gpt2.model.checkpoint_errors import CheckpointError
    from plugins.gpt2.model.config_file import CONFIG_NAME, read_config

    try:
        return read_config(folder / CONFIG_NAME)
    except CheckpointError:
        return None  # choosing it will say what is wrong
