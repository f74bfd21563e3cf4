"""What a plugin does beside its commands: tasks that are kept, watched and ended for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any


class Background:
    """One plugin's tasks. A bare ``asyncio.create_task`` would fail in silence, and may vanish while it runs."""

    def __init__(self, log: logging.Logger | None = None) -> None:
        self._log = log or logging.getLogger("townhall.plugin")
        self._tasks: set[asyncio.Task[Any]] = set()
        self.failure: str | None = None
        """How the first task that failed did so. The plugin is not well from then on."""

    def start(self, work: Coroutine[Any, Any, object], name: str) -> asyncio.Task[Any]:
        """Run ``work`` beside everything else; ``name`` is what the log and ``townhall doctor`` call it.

        What it raises is logged and makes the plugin unwell; nothing starts it again. It is cancelled before the
        plugin's ``stop()``.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        running = set(self._tasks)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            reason = f"background task {task.get_name()} failed: {type(error).__name__}: {error}"
            self.failure = self.failure or reason
            self._log.error("%s", reason, exc_info=error)
