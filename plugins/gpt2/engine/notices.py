"""What the engine thread tells the event loop, and the outbox that carries it there."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plugins.gpt2.language_model import LoadProgress, ModelInfo
from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import Event, GenerationError, Text


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """An event of the request ``key``."""

    key: int
    event: Event


@dataclass(frozen=True, slots=True)
class Failed:
    """The end of the request ``key``."""

    key: int
    error: GenerationError


@dataclass(frozen=True, slots=True)
class Loading:
    """The model ``name`` is on its way."""

    name: str
    progress: LoadProgress


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model ``name`` serves; ``rows`` requests at once."""

    name: str
    info: ModelInfo
    rows: int


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """The model ``name`` could not be loaded, or was taken out of service. ``reason`` is part of a sentence.

    A plain string is what an exception said, in English.
    """

    name: str
    reason: Message | str


@dataclass(frozen=True, slots=True)
class EngineStopped:
    """The thread ended and takes nothing any more. ``reason`` is None where it was asked to."""

    reason: str | None


Notice = RequestEvent | Failed | Loading | Loaded | NotLoaded | EngineStopped


class Outbox:
    """Carries notices from the engine thread to ``receive`` on ``loop``, in order, in batches.

    One wake-up of the loop takes whatever has come together; pieces of one text become one piece. So a busy loop gets
    fewer, longer pieces and never a backlog.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[Sequence[Notice]], None]) -> None:
        self._loop = loop
        self._receive = receive
        self._lock = threading.Lock()
        self._notices: list[Notice] = []

    def put(self, notices: Sequence[Notice]) -> None:
        """Send from any thread. A closed loop has no listeners left; then nothing happens."""
        if not notices:
            return
        with self._lock:
            wake = not self._notices
            self._notices.extend(notices)
        if wake:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process is on its way out
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            notices, self._notices = self._notices, []
        self._receive(coalesce(notices))


def coalesce(notices: Sequence[Notice]) -> list[Notice]:
    """Join the pieces of text of each request that have nothing else of that request between them."""
    result: list[Notice] = []
    last: dict[int, int] = {}  # request → where its latest notice stands in the result
    for notice in notices:
        if isinstance(notice, RequestEvent | Failed):
            index = last.get(notice.key)
            previous = None if index is None else result[index]
            if (
                index is not None
                and isinstance(notice, RequestEvent)
                and isinstance(notice.event, Text)
                and isinstance(previous, RequestEvent)
                and isinstance(previous.event, Text)
            ):
                result[index] = RequestEvent(notice.key, previous.event + notice.event)
                continue
            last[notice.key] = len(result)
        result.append(notice)
    return result
