"""The contract's stage on Ray: a bot and a router in the tests' process, the engine with its models in Ray's."""

from __future__ import annotations

import asyncio
import json
import mmap
import pickle
import struct
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from plugins.gpt2.protocol import TextGenerator
from plugins.gpt2.remote.generator import RemoteTextGenerator
from plugins.gpt2.router.fleet import Fleet
from plugins.gpt2.router.router import Router
from plugins.gpt2.router.server import RouterServer
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.wire.calling import session
from plugins.gpt2.wire.serving import listen
from tests.plugins.gpt2.contract.implementations import Setting, Stage
from tests.plugins.gpt2.manual_time import ManualTime
from tests.plugins.gpt2.ray_host.cluster import ADDRESS, SECRET, Cluster


class SharedTime(ManualTime):
    """The same time in two processes of a machine: it is kept in a file."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._kept = mmap.mmap(opened.fileno(), 8)
        super().__init__()

    @property
    def now(self) -> float:
        return float(struct.unpack("d", self._kept[:8])[0])

    @now.setter
    def now(self, value: float) -> None:
        self._kept[:8] = struct.pack("d", value)


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
    cluster.python("tests.plugins.gpt2.ray_host.staged", str(cluster.folder))
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
