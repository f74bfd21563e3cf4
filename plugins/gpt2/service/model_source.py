"""Where models come from: a checkpoint on disk or on the hub, and what it would take to load it. No tinygrad here."""

from __future__ import annotations

import logging
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

log = logging.getLogger("townhall.gpt2.models")


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
        from plugins.gpt2.model.memory_plan import with_draft

        plan = self._settings.device_plan()  # asks tinygrad where there is a choice, so here, off the event loop
        checkpoint = self._opened(name, on_progress)
        draft = self._draft_for(checkpoint, on_progress)
        rows = self._settings.rows
        return Opened(
            memory_bytes=with_draft(checkpoint.config, plan.weights, rows, None if draft is None else draft.config),
            build=lambda: self._build(checkpoint, draft, plan),
        )

    def _draft_for(self, checkpoint: Checkpoint, on_progress: Callable[[Message], None]) -> Checkpoint | None:
        """Return the host's draft where it can guess for a model; None without one.

        Raises ``WrongDraft`` where it cannot for the host's own model; others that admins choose go without.
        """
        from plugins.gpt2.checkpoint.draft import WrongDraft, check_draft

        if self._settings.draft is None:
            return None
        draft = self._opened(self._settings.draft, on_progress)
        try:
            check_draft(draft, checkpoint)
        except WrongDraft as error:
            draft.close()
            if checkpoint.name == self._settings.model:
                raise
            log.info("%s goes without a draft: %s", checkpoint.name, error)
            return None
        return draft

    def _opened(self, name: str, on_progress: Callable[[Message], None]) -> Checkpoint:
        from plugins.gpt2.checkpoint.checkpoint import open_checkpoint

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

        return open_checkpoint(name, allow_pickle=self._settings.allow_pickle, on_progress=report)

    def _build(
        self, checkpoint: Checkpoint, draft: Checkpoint | None, plan: DevicePlan
    ) -> Generator[LoadProgress, None, LanguageModel]:
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
                draft=draft,
            )
        )
