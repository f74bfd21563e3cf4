"""Which models there are to choose from: what each needs, what is on disk, and what the host allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plugins.gpt2.checkpoint.draft import known_shape
from plugins.gpt2.messages import Message, message
from plugins.gpt2.model.constants import EMBEDDED_MODEL, OFFICIAL_CONFIGS, OTHER_TOKENS, GPT2Config
from plugins.gpt2.model.memory_plan import with_draft
from plugins.gpt2.protocol import ModelEntry, ModelUnavailable
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.i18n.formatting import format_bytes
from townhall_bot.machine import memory

SHARE_OF_MEMORY = 0.8
"""How much of the machine's memory one model may take to be offered; the system and the bot live in the rest."""


class ModelCatalog:
    """The host's list of models. ``total_memory`` tells the machine's bytes, None where it is not known."""

    def __init__(self, settings: GPT2Settings, *, total_memory: Callable[[], int | None] = memory.total_bytes) -> None:
        self._settings = settings
        self._draft = known_shape(settings.draft, allow_pickle=settings.allow_pickle)
        plan = settings.known_plan()
        total = total_memory() if plan is not None and plan.is_cpu else None  # what a GPU has, loading will find out
        names = settings.allowed_models or (EMBEDDED_MODEL, *self._official_that_fit(total))
        self.allowed = tuple(dict.fromkeys((settings.model, *names)))
        """The names that an admin may choose, the host's default first."""

    def check(self, name: str) -> None:
        """Raise :class:`ModelUnavailable` where the host does not allow ``name``, whoever asks."""
        budget, config = self._settings.memory_budget, OFFICIAL_CONFIGS.get(name)
        need = None if config is None else self.memory_need(config)
        if budget is not None and need is not None and need > budget:
            raise ModelUnavailable(over_budget(name, need, budget))
        if name in self.allowed:
            return
        models = ", ".join(self.allowed)
        if need is not None and not self._settings.allowed_models:
            raise ModelUnavailable(message("unavailable.too_large", model=name, need=format_bytes(need), models=models))
        raise ModelUnavailable(message("unavailable.not_offered", model=name[:100], models=models))

    def entries(self) -> list[ModelEntry]:
        """Return what an admin may choose from. Looks at the disk: a few milliseconds, not for the event loop."""
        return [self._entry(name) for name in self.allowed]

    def memory_need(self, config: GPT2Config) -> int | None:
        """Return the bytes that a model of this shape takes with the host's settings.

        None where the device is not known yet; loading makes it known, and then checks what the model needs.
        """
        plan = self._settings.known_plan()
        return None if plan is None else with_draft(config, plan.weights, self._settings.rows, self._draft)

    def _official_that_fit(self, total: int | None) -> list[str]:
        budget = self._settings.memory_budget
        limits = [*(() if total is None else (total * SHARE_OF_MEMORY,)), *(() if budget is None else (budget,))]
        needs = {name: self.memory_need(config) for name, config in OFFICIAL_CONFIGS.items()}
        return [name for name, need in needs.items() if need is None or all(need <= limit for limit in limits)]

    def _entry(self, name: str) -> ModelEntry:
        config = OFFICIAL_CONFIGS.get(name)
        folder = _folder_of(name, allow_pickle=self._settings.allow_pickle)
        if config is None and folder is not None:
            config = _config_in(folder)
        if config is None:
            return ModelEntry(name, None, None, folder is not None)
        need, plan = self.memory_need(config), self._settings.known_plan()
        if need is None or plan is None or plan.weights != "int4":
            return ModelEntry(name, config.parameters, need, folder is not None)
        saved = with_draft(config, "int8", self._settings.rows, self._draft) - need
        other = round(OTHER_TOKENS[plan.weights])
        return ModelEntry(name, config.parameters, need, folder is not None, saved, other)


def over_budget(name: str, need: int, budget: int) -> Message:
    """Return why the host's memory budget keeps a model out."""
    return message("unavailable.over_budget", model=name[:100], need=format_bytes(need), budget=format_bytes(budget))


def _folder_of(name: str, *, allow_pickle: bool) -> Path | None:
    from plugins.gpt2.checkpoint.checkpoint import CheckpointError, on_disk

    try:
        return on_disk(name, allow_pickle=allow_pickle)
    except CheckpointError:
        return None  # choosing it will say what is wrong


def _config_in(folder: Path) -> GPT2Config | None:
    from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, read_config
    from plugins.gpt2.checkpoint.errors import CheckpointError

    try:
        return read_config(folder / CONFIG_NAME)
    except CheckpointError:
        return None  # choosing it will say what is wrong
