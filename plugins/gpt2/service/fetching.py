"""Models on their way for those who wait for them: fetched once each, beside everything else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from plugins.gpt2.messages import message
from plugins.gpt2.protocol import ModelUnavailable
from plugins.gpt2.service.model_pool import ModelPool
from plugins.gpt2.service.request_queue import RequestQueue

log = logging.getLogger("townhall.gpt2.models")


class ModelLoading:
    """Brings models onto the pool; ``then`` is called when one has come or could not, and who waits has been told."""

    def __init__(self, pool: ModelPool, line: RequestQueue, default: str, then: Callable[[], None]) -> None:
        self._pool = pool
        self._queue = line
        self._default = default
        self._then = then
        self._tasks: set[asyncio.Task[None]] = set()
        self.default_failed: ModelUnavailable | None = None
        """Why the last try to fetch the host's default model failed; None where it did not."""

    def soon(self, model: str) -> None:
        """Begin to fetch a model; returns at once."""
        task = asyncio.create_task(self._fetch(model), name=f"gpt2-fetch-{model}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def came(self, model: str) -> None:
        """Note that a model is loaded, whoever asked for it."""
        if model == self._default:
            self.default_failed = None

    async def close(self) -> None:
        """Give up what is on its way."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, model: str) -> None:
        try:
            await self._pool.fetch(model)
        except ModelUnavailable as error:
            self._give_up(model, error)
        except Exception as error:
            log.exception("getting %s failed", model)
            said = message("unavailable.not_loaded", model=model, reason=type(error).__name__)
            self._give_up(model, ModelUnavailable(said))
        self._then()

    def _give_up(self, model: str, error: ModelUnavailable) -> None:
        """Send those away who wait for the model; who asks again has it tried again."""
        self._queue.reject(error, model)
        if model == self._default:
            self.default_failed = error
