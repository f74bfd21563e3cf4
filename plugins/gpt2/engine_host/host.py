"""An engine that routers know: its calls, its registration, and how it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

import aiohttp
from aiohttp import web

from plugins.gpt2.engine_host.joined import JOIN_S, joined
from plugins.gpt2.protocol import GenerationError, GenerationRequest, ModelEntry, TextGenerator
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.wire.calling import Caller, Lost
from plugins.gpt2.wire.events import Admitted, Loaded, Told
from plugins.gpt2.wire.lines import BEAT_S, path, read
from plugins.gpt2.wire.registration import Registration, registration_out
from plugins.gpt2.wire.serving import application, stream, told_loading
from plugins.gpt2.wire.values import request_in, status_out

log = logging.getLogger("townhall.gpt2.engine")

OPEN = frozenset({"/healthz", "/readyz"})
LOOK_S = 30.0
"""How often the disk is looked at for models that came or went."""


def engine_settings(settings: GPT2Settings) -> GPT2Settings:
    """Return a host's settings for an engine behind a router, which alone keeps the line, its limits and its time."""
    limits = {"queue_limit": 1000, "member_limit": 1000, "guild_limit": 1000, "max_count": 1024, "deadline_s": 86400.0}
    return settings.model_copy(update=limits)


class EngineHost:
    """Puts a generator behind HTTP and registers it. ``app`` is what listens; ``offers`` are the models it can load.

    ``entries`` looks at the disk for what each of them needs here, for those who choose one.
    """

    def __init__(
        self,
        service: TextGenerator,
        offers: Sequence[str],
        secret: str | None,
        *,
        join_s: float = JOIN_S,
        entries: Callable[[], Sequence[ModelEntry]] = lambda: (),
    ) -> None:
        self._service = service
        self._offers = tuple(offers)
        self._join_s = join_s
        self._entries = entries
        self._offered: tuple[ModelEntry, ...] = ()
        self._name = uuid.uuid4().hex
        self._url = ""
        self._routers: list[Caller] = []
        self._silent: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving = False
        self._streams = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.app = application(secret, OPEN)
        self.app.add_routes(
            [
                web.post(path("generate"), self._generate),
                web.post(path("models"), self._ensure),
                web.delete(path("requests/{id:\\d+}"), self._cancel),
                web.get(path("status"), self._status),
                web.get("/healthz", self._healthy),
                web.get("/readyz", self._ready),
            ]
        )

    def begin(self, url: str, routers: Sequence[str], session: aiohttp.ClientSession) -> None:
        """Register at every router, at once and then with each beat; ``url`` is where requests may come."""
        self._url = url
        self._routers = [Caller(router, session) for router in routers]
        self._tasks = [
            asyncio.create_task(self._beat(), name="engine-beat"),
            asyncio.create_task(self._look_again(), name="engine-look"),
        ]

    @property
    def beating(self) -> bool:
        """Whether it registers again and again."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def told(self, asked: GenerationRequest) -> AsyncGenerator[Told]:
        """Yield what is told of a request, to the router that sent it."""
        try:
            async with (
                self._service.admitted(asked) as events,
                contextlib.aclosing(joined(events, self._join_s)) as fewer,
            ):
                yield Admitted()
                async for event in fewer:
                    yield event
        except GenerationError:
            await self.register()  # a model may be out of service now, which the next request should know
            raise

    async def register(self) -> None:
        """Say how things are, to all routers."""
        status = replace(self._service.status(), offered=self._offered)
        said = registration_out(Registration(self._name, self._url, self._offers, status, self._leaving))
        await asyncio.gather(*(self._tell(router, said) for router in self._routers))

    async def leave(self, seconds: float) -> None:
        """Take nothing new, let those who run come to their end, at most ``seconds``; routers hear of it first."""
        self._leaving = True
        await self.register()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(BEAT_S)  # what a router sent before it heard
                await self._idle.wait()

    async def end(self) -> None:
        """Stop registering."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> None:
        """See what each model needs here and whether its files are here."""
        try:
            self._offered = tuple(await asyncio.to_thread(self._entries))
        except OSError as error:
            log.warning("the folders of models cannot be looked at: %s", error)

    async def _look_again(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def _beat(self) -> None:
        # From the event loop: a long prefill in the engine's thread keeps beating, and a frozen machine does not.
        while True:
            await self.register()
            await asyncio.sleep(BEAT_S)

    async def _tell(self, router: Caller, said: dict[str, object]) -> None:
        try:
            await router.ask("POST", "engines", said)
        except Lost as error:
            if router.url not in self._silent:
                log.warning("the router %s cannot be told: %s. It is tried again each half second", router.url, error)
                self._silent.add(router.url)
        else:
            if router.url in self._silent:
                log.info("the router %s is there again", router.url)
                self._silent.discard(router.url)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        asked = request_in(read(await request.read()))

        self._streams += 1
        self._idle.clear()
        try:
            return await stream(request, self.told(asked))
        finally:
            self._streams -= 1
            if not self._streams:
                self._idle.set()

    async def _ensure(self, request: web.Request) -> web.StreamResponse:
        model = str(read(await request.read()).get("model", ""))

        async def told() -> AsyncGenerator[Told]:
            try:
                async for event in told_loading(self._service.ensure_model, model):
                    if isinstance(event, Loaded):
                        await self.look()
                        await self.register()  # before the router hears that it may send requests
                    yield event
            except GenerationError:
                await self.register()
                raise

        return await stream(request, told())

    async def _cancel(self, request: web.Request) -> web.Response:
        return web.json_response({"was": await self._service.cancel(int(request.match_info["id"]))})

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(status_out(self._service.status()))

    async def _healthy(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, request: web.Request) -> web.Response:
        status = self._service.status()
        if status.loaded and not self._leaving:
            return web.Response(text=f"{', '.join(status.models)}\n")
        return web.Response(text=status.failure or "loading\n", status=503)
