"""A replica whose engines are scripted, one after another, for the contract's tests.

As a program it has Ray run one, and writes where that listens::

    python -m tests.plugins.gpt2.ray_host.staged FOLDER
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web

from plugins.gpt2.engine_host.host import engine_settings
from plugins.gpt2.engine_host.running import RunningEngine
from plugins.gpt2.protocol import TextGenerator
from plugins.gpt2.ray_host.app import Pool, application
from plugins.gpt2.ray_host.replica import Replica
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.wire.serving import listen
from tests.plugins.gpt2.contract.implementations import StageInProcess
from tests.plugins.gpt2.ray_host.cluster import ADDRESS
from tests.plugins.gpt2.ray_host.stage_on_ray import SharedTime


class StagedEngine(RunningEngine):
    """An engine whose models are a stage's."""

    join_s = 0.0

    def __init__(self, settings: GPT2Settings, stage: StageInProcess) -> None:
        self._stage = stage
        super().__init__(settings)

    def make_service(self) -> TextGenerator:
        stage = self._stage
        return GPT2Service(
            engine_settings(self._settings),
            stage.source,
            clock=stage.time,
            timeout=stage.time.timeout,
            available_memory=lambda: None,
        )


class StagedReplica(Replica):
    """What Ray runs: a listener that begins and ends engines, and does to them what tests say."""

    async def __init__(self, model: str, routers: tuple[str, ...], given: dict[str, str], **others: Any) -> None:  # type: ignore[misc]  # as Replica's: Serve awaits it
        self._folder = Path(given["FOLDER"])
        self._running: AsyncExitStack | None = None
        self._stage: StageInProcess | None = None
        self._engine_now: StagedEngine | None = None
        app = web.Application()
        app.add_routes([web.post("/begin", self._begin), web.post("/end", self._end), web.post("/do", self._do)])
        _, port = await listen(app, ADDRESS, 0, "of the tests")
        (self._folder / "port").write_text(str(port))

    def check_health(self) -> None:
        """It always is well."""

    async def __del__(self) -> None:
        """There is nothing to wait for."""

    async def _begin(self, request: web.Request) -> web.Response:
        settings, how, held, router = pickle.loads(await request.read())
        stage = self._stage = StageInProcess(**how, time=SharedTime(self._folder / "time"))
        for model in held:
            stage.hold_loading(model)
        engine = self._engine_now = StagedEngine(settings, stage)
        self._running = AsyncExitStack()
        self._running.push_async_callback(engine.end)
        self._running.callback(stage.end)
        await engine.begin([router], ADDRESS, 0, named=True)
        return web.json_response({})

    async def _end(self, request: web.Request) -> web.Response:
        if self._running is not None:
            await self._running.aclose()
            self._running = None
        return web.json_response({})

    async def _do(self, request: web.Request) -> web.Response:
        said = await request.json()
        assert self._stage is not None
        assert self._engine_now is not None
        if said["what"] == "register":
            await self._engine_now.register()
            return web.json_response({})
        done = getattr(self._stage, said["what"])(*said["with"])
        return web.json_response(await done if asyncio.iscoroutine(done) else done)


def main(folder: Path) -> None:
    """Have Ray run the replica, and return once it listens."""
    import ray
    from ray import serve

    (folder / "time").write_bytes(bytes(8))
    ray.init(address="auto", log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}})
    serve.start(proxy_location="Disabled")
    pool = Pool(model="staged", routers=("http://127.0.0.1:1",), cpus=0.1, given={"FOLDER": str(folder)})
    serve.run(application(pool, StagedReplica), name="staged", route_prefix=None)


if __name__ == "__main__":
    from tests.plugins.gpt2.ray_host import staged  # Ray's process has to find the class under its name

    staged.main(Path(sys.argv[1]))
