"""Where models come from: a checkpoint on disk or on the hub, and what it would take to load it. No tinygrad here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from plugins.gpt2.engine.model_host import Build
from plugins.gpt2.language_model import LanguageModel, LoadProgress
from plugins.gpt2.messages import Message, message
from plugins.gpt2.model.target.device_plan import DevicePlan
from plugins.gpt2.protocol import ModelUnavailable
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.i18n.formatting import format_bytes

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint
    from plugins.gpt2.checkpoint.download import DownloadProgress


@dataclass(frozen=True, slots=True)
class Opened:
    """A model whose files are here and fit together. ``build`` loads it, in the engine thread."""

    memory_bytes: int
    build: Build


class ModelSource(Protocol):
    """What the service needs to know of models; a test brings its own."""

    def open(self, name: str, on_progress: Callable[[Message], None]) -> Opened:
        """Download what is missing and check it. Blocks, so it runs in a thread of its own.

        ``on_progress`` takes a line for a person, from that thread, and may raise to stop it. Raises ValueError or
        OSError with the reason, ModelUnavailable where it is the host's decision.
        """
        ...


def check_disk(name: str, needed: int, budget: int) -> None:
    """Raise ModelUnavailable where ``needed`` more bytes would exceed the host's budget for all downloaded models."""
    from plugins.gpt2.checkpoint.hub_cache import cached_repos

    taken = sum(cached_repos().values())
    if taken + needed > budget:
        sizes = {"needed": format_bytes(needed), "taken": format_bytes(taken), "budget": format_bytes(budget)}
        raise ModelUnavailable(message("unavailable.over_disk", model=name, **sizes))


class CheckpointSource:
    """Opens real checkpoints as the host's settings say."""

    def __init__(self, settings: GPT2Settings) -> None:
        self._settings = settings

    def open(self, name: str, on_progress: Callable[[Message], None]) -> Opened:
        """Open or download ``name``. Raises ``CheckpointError``, a ValueError whose message names the cure."""
        from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
        from plugins.gpt2.model.memory_plan import memory_plan

        plan = self._settings.device_plan()  # asks tinygrad where there is a choice, so here, off the event loop
        budget, checked = self._settings.disk_budget, False

        def report(progress: DownloadProgress) -> None:
            nonlocal checked
            done, total = progress.done_bytes, progress.total_bytes
            if budget is not None and not checked:  # the first report comes before the first byte of the weights
                check_disk(name, total - done, budget)
                checked = True
            percent = 100 * done // max(1, total)
            on_progress(
                message(
                    "progress.downloading",
                    model=name,
                    done=format_bytes(done),
                    total=format_bytes(total),
                    percent=percent,
                )
            )

        checkpoint = open_checkpoint(name, allow_pickle=self._settings.allow_pickle, on_progress=report)
        return Opened(
            memory_bytes=memory_plan(checkpoint.config, plan.weights, self._settings.rows),
            build=lambda: self._build(checkpoint, plan),
        )

    def _build(self, checkpoint: Checkpoint, plan: DevicePlan) -> Generator[LoadProgress, None, LanguageModel]:
        from plugins.gpt2.model.gpt2 import loading

        settings = self._settings
        return (
            yield from loading(
                checkpoint,
                weights=plan.weights,
                products=settings.products,
                rows=settings.rows,
                device=plan.device,
                threads=settings.threads,
            )
        )
