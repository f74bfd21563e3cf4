"""One model on its way: how far it is, who hears of that, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from plugins.gpt2.formatting import detail
from plugins.gpt2.language_model import LoadProgress, ModelInfo
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import ModelUnavailable, OnProgress
from plugins.gpt2.service.daemon_thread import in_daemon_thread
from plugins.gpt2.service.model_source import ModelSource, Opened
from townhall_bot.i18n.formatting import format_bytes

log = logging.getLogger("townhall.gpt2.models")

STAGES = {"loading": message("progress.stage.loading"), "warming up": message("progress.stage.warming_up")}
"""What the stages are called that a model goes through while it is loaded."""


class ModelLoad:
    """From the first request for a model until it serves or cannot. ``on_line`` is called at each line of progress.

    Everything here happens on the event loop; files are opened in a thread of their own.
    """

    def __init__(self, name: str, on_line: Callable[[], None]) -> None:
        self.name = name
        self.line = message("progress.looking", model=name)
        """How far it is, for a person."""
        self.in_engine = False
        """Whether the engine has been told to load it."""
        self._on_line = on_line
        self._listeners: list[OnProgress] = []
        self._outcome: asyncio.Future[ModelInfo] = asyncio.get_running_loop().create_future()
        # Looked at once, so that asyncio does not warn where every waiter has left.
        self._outcome.add_done_callback(lambda outcome: outcome.exception())

    async def wait(self, listener: OnProgress | None) -> ModelInfo:
        """Return the model's facts when it serves; ``listener`` hears lines of progress until then.

        Raises :class:`ModelUnavailable` with the reason why it cannot. One who stops waiting does not stop the others.
        """
        if listener is not None:
            self._listeners.append(listener)
            listener(self.line)
        try:
            return await asyncio.shield(self._outcome)
        finally:
            if listener is not None:
                self._listeners.remove(listener)

    async def open(self, source: ModelSource) -> Opened:
        """Return the model's files, downloaded where they are not here. Raises :class:`ModelUnavailable`."""
        loop = asyncio.get_running_loop()

        def on_progress(line: Message) -> None:
            if self._outcome.done():
                raise ConnectionAbortedError(f"nobody waits for {self.name} any more")  # stops the download
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
                loop.call_soon_threadsafe(self.tell, line)

        try:
            return await in_daemon_thread(lambda: source.open(self.name, on_progress))
        except (ValueError, OSError) as error:
            log.warning("%s cannot be opened: %s", self.name, error)
            said = message("unavailable.not_opened", model=self.name, reason=detail(error))
            raise ModelUnavailable(said) from error

    def advance(self, progress: LoadProgress) -> None:
        """Take how far the engine is with it."""
        stage, percent = STAGES.get(progress.stage, progress.stage), 100 * progress.done // max(1, progress.total)
        values = {"model": self.name, "stage": stage, "percent": percent}
        if progress.memory_bytes:
            self.tell(message("progress.stage_with_memory", **values, memory=format_bytes(progress.memory_bytes)))
        else:
            self.tell(message("progress.stage_at", **values))

    def end(self, outcome: ModelInfo | ModelUnavailable) -> None:
        """Tell everyone who waits what came of it."""
        if isinstance(outcome, ModelUnavailable):
            self._outcome.set_exception(outcome)
        else:
            self._outcome.set_result(outcome)

    def tell(self, line: Message) -> None:
        """Take a line of progress."""
        if self._outcome.done():
            return  # it was on its way from the thread when everybody left
        self.line = line
        for listener in list(self._listeners):
            listener(line)
        self._on_line()
