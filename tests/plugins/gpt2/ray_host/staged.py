"""A replica whose engines are scripted, one after another, for the contract's tests; and their side of it.

As a program it has Ray run one, and writes where that listens::

    python -m tests.plugins.gpt2.ray_host.staged FOLDER
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import pickle
import struct
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from plugins.gpt2.engine_host.host import engine_settings
from plugins.gpt2.engine_host.running import RunningEngine
from plugins.gpt2.protocol import TextGenerator
from plugins.gpt2.ray_host.app import Pool, application
from plugins.gpt2.ray_host.replica import Replica
from plugins.gpt2.remote.generator import RemoteTextGenerator
from plugins.gpt2.router.fleet import Fleet
from plugins.gpt2.router.router import Router
from plugins.gpt2.router.server import RouterServer
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.wire.calling import session
from plugins.gpt2.wire.serving import listen
from tests.plugins.gpt2.contract.implementations import Setting, Stage, StageInProcess
from tests.plugins.gpt2.manual_time import ManualTime
from tests.plugins.gpt2.ray_host.cluster import ADDRESS, SECRET, Cluster


class SharedTime(ManualTime):
    """The same time in two processes of a machine: it is kept in a file."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._kept = mmap.mmap(opened.fileno(), 8)
        super().__init__()

    @property
    def now(self) -> float:  # type: ignore[override]  # a number that lies elsewhere
        return float(struct.unpack("d", self._kept[:8])[0])

    @now.setter
    def now(self, value: float) -> None:
        self._kept[:8] = struct.pack("d", value)


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

    async def __init__(self, model: str, routers: tuple[str, ...], given: dict[str, str], **others: Any) -> None:  # type: ignore[misc]
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
        await engine.begin([router], ADDRESS, 0, url=None)
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


class StageOnRay:
    """The tests' side of it: a bot and a router here, the engine with its models in Ray's process."""

    def __init__(self, base: str, time: SharedTime) -> None:
        self._base = base
        self.time = time
        self.generator: TextGenerator

    def hold(self, after: int = 0) -> None:
        self._do("hold", after)

    def go_on(self) -> None:
        self._do("go_on")

    def fail_steps(self, times: int = 1) -> None:
        self._do("fail_steps", times)

    def take_time(self, seconds: float) -> None:
        self._do("take_time", seconds)

    def advance(self, seconds: float) -> None:
        self.time.advance(seconds)
        self._do("advance", 0.0)  # the time is there already; what is due has to be looked at

    def hold_loading(self, model: str) -> None:
        self._do("hold_loading", model)

    def go_on_loading(self, model: str) -> None:
        self._do("go_on_loading", model)

    def lose(self, model: str) -> None:
        self._do("lose", model)

    def find(self, model: str) -> None:
        self._do("find", model)

    def loads(self, model: str) -> int:
        return int(self._do("loads", model))

    async def told(self) -> None:
        await self.ask("do", json.dumps({"what": "register"}).encode())
        assert isinstance(self.generator, RemoteTextGenerator)
        await self.generator.refresh()

    async def unloaded(self, model: str) -> None:
        await self.ask("do", json.dumps({"what": "unloaded", "with": [model]}).encode())

    async def ask(self, what: str, body: bytes) -> Any:
        """Call what Ray runs, while others go on here."""
        return await asyncio.to_thread(self._ask, what, body)

    def _do(self, what: str, *arguments: object) -> Any:
        return self._ask("do", json.dumps({"what": what, "with": arguments}).encode())

    def _ask(self, what: str, body: bytes) -> Any:
        with urllib.request.urlopen(f"{self._base}/{what}", body, timeout=30) as answer:
            return json.load(answer)


def on_ray(cluster: Cluster) -> Setting:
    """Have Ray run a replica; return how to begin an engine in it."""
    cluster.python(__name__, str(cluster.folder))
    base = f"http://{ADDRESS}:{(cluster.folder / 'port').read_text()}"

    @asynccontextmanager
    async def begin(
        settings: GPT2Settings, *, rows: int, context: int, step_s: float | None, held: Iterable[str]
    ) -> AsyncIterator[Stage]:
        (cluster.folder / "time").write_bytes(bytes(8))
        stage = StageOnRay(base, SharedTime(cluster.folder / "time"))
        async with AsyncExitStack() as parts:
            calls = await parts.enter_async_context(session(SECRET))
            router = Router(settings, Fleet(calls), clock=stage.time, timeout=stage.time.timeout)
            runner, port = await listen(RouterServer(router, SECRET).app, "127.0.0.1", 0, SECRET)
            parts.push_async_callback(runner.cleanup)
            url = f"http://127.0.0.1:{port}"
            there = settings.model_copy(update={"router_secret": SecretStr(SECRET)})
            how = {"rows": rows, "context": context, "step_s": step_s}
            await stage.ask("begin", pickle.dumps((there, how, tuple(held), url)))
            parts.push_async_callback(stage.ask, "end", b"")
            stage.generator = RemoteTextGenerator([url], SECRET, clock=stage.time)
            parts.push_async_callback(stage.generator.close)
            await stage.generator.start()
            await stage.told()
            yield stage

    return begin


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
