"""The one thread that runs models: it loads, compiles and computes, and nobody else does.

tinygrad's globals are for one thread at a time, and a step holds the CPU for milliseconds; so the event loop only drops
messages into an inbox and hears back through an outbox. It never waits for this thread, and this thread never waits for
it. (Which device there is may have been asked of tinygrad before, by whoever had to plan for it.)
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plugins.gpt2.engine.model_host import Build, ModelHost
from plugins.gpt2.engine.notices import EngineStopped, Failed, Notice, Outbox
from plugins.gpt2.formatting import detail
from plugins.gpt2.messages import message
from plugins.gpt2.protocol import EngineFailed, GenerationRequest, ModelUnavailable

log = logging.getLogger("townhall.gpt2.engine")


@dataclass(frozen=True, slots=True)
class _Submit:
    key: int
    request: GenerationRequest
    submitted: float


@dataclass(frozen=True, slots=True)
class _Cancel:
    key: int


@dataclass(frozen=True, slots=True)
class _Load:
    name: str
    build: Build


@dataclass(frozen=True, slots=True)
class _Unload:
    name: str


class _Stop:
    pass


_Order = _Submit | _Cancel | _Load | _Unload | _Stop


class EngineThread:
    """Runs models, each under a name, for requests, each under a key that the caller chooses.

    ``receive`` is called on the event loop with what happened. Every submitted request ends with a Finished event or
    a Failed notice, every load with Loaded or NotLoaded, and the thread itself with EngineStopped, whatever goes wrong.
    """

    def __init__(
        self, receive: Callable[[Sequence[Notice]], None], *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._receive = receive
        self._clock = clock
        self._inbox: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self._hosts: dict[str, ModelHost] = {}
        self._outbox: Outbox | None = None
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether the thread takes requests."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread; notices arrive on ``loop``. To be called once."""
        outbox = self._outbox = Outbox(loop, self._receive)
        # A daemon: a step that hangs in a driver must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, args=(outbox,), name="gpt2-engine", daemon=True)
        self._thread.start()

    def load(self, name: str, build: Build) -> None:
        """Load a model, between the steps of those that serve already. It replaces one of the same name."""
        self._inbox.put(_Load(name, build))

    def unload(self, name: str) -> None:
        """Free a model's memory; requests that it still has fail."""
        self._inbox.put(_Unload(name))

    def submit(self, key: int, request: GenerationRequest, submitted: float) -> None:
        """Continue ``request.prompt`` with the model of that name; ``submitted`` is on the clock."""
        self._inbox.put(_Submit(key, request, submitted))

    def cancel(self, key: int) -> None:
        """End a request at the next step; it still gets its Finished."""
        self._inbox.put(_Cancel(key))

    def stop(self) -> None:
        """Ask the thread to end; what runs fails. Returns at once, see :meth:`join`."""
        self._inbox.put(_Stop())

    def join(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for the end; return whether it came. Not for the event loop."""
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.alive

    def _run(self, outbox: Outbox) -> None:
        reason: str | None = None
        try:
            while self._take_orders(outbox):
                for host in [host for host in self._hosts.values() if host.busy]:
                    outbox.put(host.advance())
                    if host.gone:
                        del self._hosts[host.name]
        except BaseException as error:  # even SystemExit from a library must not leave a waiter hanging
            log.critical("the engine thread died", exc_info=error)
            reason = f"{type(error).__name__}: {detail(error)}"
        self._end(outbox, reason)

    def _take_orders(self, outbox: Outbox) -> bool:
        """Follow every order in the inbox, sleeping while there is nothing else to do; False ends the thread."""
        wait = not any(host.busy for host in self._hosts.values())
        while True:
            try:
                order = self._inbox.get(block=wait)
            except queue.Empty:
                return True
            wait = False
            if isinstance(order, _Stop):
                return False
            outbox.put(self._follow(order))

    def _follow(self, order: _Submit | _Cancel | _Load | _Unload) -> list[Notice]:
        match order:
            case _Submit(key, request, submitted):
                if (host := self._hosts.get(request.model)) is None:
                    return [Failed(key, ModelUnavailable(message("failed.not_here", model=request.model)))]
                return host.submit(key, request, submitted)
            case _Cancel(key):
                for host in self._hosts.values():
                    host.cancel(key)
            case _Load(name, build):
                told = self._close(name)
                self._hosts[name] = ModelHost(name, build, self._clock)
                return told
            case _Unload(name):
                return self._close(name)
        return []

    def _close(self, name: str) -> list[Notice]:
        host = self._hosts.pop(name, None)
        return [] if host is None else host.close(ModelUnavailable(message("failed.not_here", model=name)))

    def _end(self, outbox: Outbox, reason: str | None) -> None:
        error = EngineFailed(message("failed.engine_stopped", reason=reason) if reason else message("failed.stopping"))
        for host in self._hosts.values():
            outbox.put(host.close(error))
        self._hosts.clear()
        outbox.put([EngineStopped(reason)])
