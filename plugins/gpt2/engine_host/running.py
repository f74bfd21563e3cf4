"""This machine's engine, listening and registered: what ``townhall engine`` and Ray begin and end alike."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack

from plugins.gpt2.engine_host.host import EngineHost, engine_settings
from plugins.gpt2.engine_host.joined import JOIN_S
from plugins.gpt2.protocol import EngineStatus, TextGenerator
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.wire.calling import session
from plugins.gpt2.wire.serving import listen

log = logging.getLogger("townhall.gpt2.engine")


class RunningEngine:
    """A generator, what listens for it, and its registration. :meth:`begin` it once; :meth:`end` it in any case."""

    join_s = JOIN_S
    """Seconds for which pieces of text are joined before they are sent."""

    def __init__(self, settings: GPT2Settings) -> None:
        self._settings = settings
        self._catalog = ModelCatalog(settings)
        self._parts = AsyncExitStack()
        self.service = self.make_service()
        self._host = EngineHost(
            self.service, self._catalog.allowed, settings.secret, entries=self._catalog.entries, join_s=self.join_s
        )
        self.app = self._host.app

    def make_service(self) -> TextGenerator:
        """Return what writes: this machine's own; a subclass's another."""
        return GPT2Service(engine_settings(self._settings), catalog=self._catalog)

    async def begin(
        self,
        routers: Sequence[str],
        host: str,
        port: int,
        *,
        url: str | None = None,
        named: bool = False,
        model: str | None = None,
    ) -> int:
        """Listen, and register at ``routers``; return the port.

        ``url`` is where they reach it; without it, at the address that its registration comes from, or at ``host``
        where ``named`` says that this is a machine's own. With a ``model`` it registers once that is loaded, else at
        once. Raises NotListening, and ModelUnavailable.
        """
        calls = await self._parts.enter_async_context(session(self._settings.secret))
        runner, port = await listen(self.app, host, port, self._settings.secret)
        self._parts.push_async_callback(runner.cleanup)
        log.info("the engine listens on %s port %d and registers at %s", host, port, ", ".join(routers))
        self._parts.push_async_callback(self.service.close)
        await self.service.start()
        if model is not None:
            await self.service.ensure_model(model)
        self._parts.push_async_callback(self._host.end)
        self._host.begin(url or f"http://{host if named else ''}:{port}", routers, calls)
        return port

    async def register(self) -> None:
        """Tell routers how things are, between two beats."""
        await self._host.register()

    async def leave(self, seconds: float) -> None:
        """Take nothing new, and let what is being written come to its end, at most ``seconds``."""
        log.info("the engine leaves: what is being written may take %.0f s to its end", seconds)
        await self._host.leave(seconds)

    async def end(self) -> None:
        """Stop registering, writing and listening."""
        await self._parts.aclose()

    @property
    def status(self) -> EngineStatus:
        """What it is doing."""
        return self.service.status()

    @property
    def beating(self) -> bool:
        """Whether it registers."""
        return self._host.beating
