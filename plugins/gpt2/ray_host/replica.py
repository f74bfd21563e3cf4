"""One engine as Ray Serve has it: a replica that listens and registers by itself, and says whether it is well."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping, Sequence

import ray

from plugins.gpt2.engine_host.running import RunningEngine
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.settings import load_settings

log = logging.getLogger("townhall.gpt2.ray")


class Replica:
    """An engine with one model. Its constructor returns once the model serves, so that Serve counts it from then on.

    ``given`` are settings by name (``TOWNHALL_GPT2_…``), which win over this machine's environment; ``release`` is the
    version of Townhall, and what else should have all engines replaced where it changes. Raises SettingsError,
    ModelUnavailable and NotListening, which ``townhall ray status`` shows.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it, and counts a replica from its return on
        self, model: str, routers: Sequence[str], given: Mapping[str, str], *, drain_s: float = 60.0, release: str = ""
    ) -> None:
        # The process is this replica's alone. Every setting is read from the environment, as everywhere.
        os.environ.update(given, TOWNHALL_GPT2_MODEL=model, TOWNHALL_GPT2_ALLOWED_MODELS=model)
        self._drain_s = drain_s
        self._engine = self.make_engine(load_settings(GPT2Settings, env_file=None))
        host = ray.util.get_node_ip_address()
        try:
            port = await self._engine.begin(routers, host, 0, named=True, model=model)
        except BaseException:
            await self._engine.end()
            raise
        self._address = f"{host}:{port}"

    def make_engine(self, settings: GPT2Settings) -> RunningEngine:
        """Return the engine; a subclass's own."""
        return RunningEngine(settings)

    def check_health(self) -> None:
        """Raise where this engine is to be replaced: it can write nothing, or routers do not hear of it."""
        failure = self._engine.status.failure
        if failure is not None:
            raise RuntimeError(failure)
        if not self._engine.beating:
            raise RuntimeError("It does not register at its routers any more.")

    async def __call__(self) -> str:
        """Return where it listens. Serve wants something to call; nothing of Townhall's does."""
        return self._address

    async def __del__(self) -> None:
        """Leave: Serve calls and awaits this when a replica is to go, and waits for ``graceful_shutdown_timeout_s``."""
        if hasattr(self, "_address"):
            with contextlib.suppress(asyncio.CancelledError):
                await self._engine.leave(self._drain_s)
            await self._engine.end()
