"""Engines that a real Ray runs: begun, killed, replaced and stopped, while somebody reads."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from plugins.gpt2.protocol import GenerationRequest, SamplingParams, Text
from plugins.gpt2.remote.generator import RemoteTextGenerator
from plugins.gpt2.router.fleet import Fleet
from plugins.gpt2.router.router import Router
from plugins.gpt2.router.server import RouterServer
from plugins.gpt2.wire.calling import session
from plugins.gpt2.wire.serving import listen
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.fake_source import settings
from tests.plugins.gpt2.ray_host.cluster import SECRET, Cluster, running_cluster

pytestmark = [pytest.mark.ray, pytest.mark.slow]
MODEL = "townhall-mini"
SECRET_NAME = "TOWNHALL_GPT2_ROUTER_SECRET"
GREEDY = SamplingParams(temperature=0)


@dataclass
class House:
    """A bot and a router here; Ray's engines register at it."""

    cluster: Cluster
    router: Router
    url: str
    bot: RemoteTextGenerator
    asked: int = field(default=0)

    async def townhall(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        secret = {SECRET_NAME: SECRET, "TOWNHALL_GPT2_ROUTER": self.url}
        return await asyncio.to_thread(self.cluster.townhall, "ray", *arguments, **secret, **more)

    async def up(self, *arguments: str, **more: str) -> None:
        done = await self.townhall("up", MODEL, "--cpus", "1", *arguments, **more)
        assert done.returncode == 0, done.stderr
        await self.until(lambda: self.router.fleet.taking)

    async def two_engines_and_four_readers(self) -> tuple[set[str], list[Reader]]:
        """Return the engines' names, and readers who have got something to read."""
        await self.up("--engines", "2")
        await self.until(lambda: len(self.engines()) == 2)
        readers = [Reader(self) for _ in range(4)]
        await self.until(lambda: all(reader.texts for reader in readers))
        return self.engines(), readers

    async def until(self, true: object, seconds: float = 60) -> None:
        """Wait for what other processes do."""
        assert callable(true)
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110  # in other processes nobody sets an event of this one's
                await asyncio.sleep(0.05)

    def ask(self, count: int = 200) -> Asker:
        self.asked += 1
        return Asker(self.bot, GenerationRequest("My fellow citizens", count, MODEL, GREEDY, user_id=self.asked))

    def engines(self) -> set[str]:
        return {engine.name for engine in self.router.fleet.taking}


@pytest.fixture
async def house(ray_cluster: Cluster) -> AsyncIterator[House]:
    async with session(SECRET) as calls:
        given = settings(model=MODEL, allowed_models=MODEL, max_count=500, guild_limit=1000, queue_limit=1000)
        router = Router(given, Fleet(calls))
        runner, port = await listen(RouterServer(router, SECRET).app, "127.0.0.1", 0, SECRET)
        url = f"http://127.0.0.1:{port}"
        bot = RemoteTextGenerator([url], SECRET)
        await bot.start()
        made = House(ray_cluster, router, url, bot)
        yield made
        await bot.close()
        await made.townhall("down")
        await runner.cleanup()


async def test_engines_come_write_and_go(house: House) -> None:
    await house.up()
    status = await house.townhall("status")
    assert status.returncode == 0
    assert "townhall-townhall-mini: running, engines: 1 running" in status.stdout
    asker = await house.ask().done()
    assert asker.error is None
    assert asker.finished is not None
    assert asker.finished.timing.new_tokens == 200
    assert (await house.townhall("down")).returncode == 0
    await house.until(lambda: not house.engines())
    assert "Ray runs no engines" in (await house.townhall("status")).stdout


async def test_an_engine_that_is_killed_loses_no_text_and_another_one_comes(house: House) -> None:
    first, readers = await house.two_engines_and_four_readers()
    listeners = await asyncio.to_thread(processes, "ray::ServeReplica:townhall-")  # the contract has another one
    os.kill(listeners[0], signal.SIGKILL)
    await house.until(lambda: len(house.engines()) == 2 and house.engines() != first)
    for reader in readers:
        await reader.end()
    assert [reader.error for reader in readers] == [None] * 4
    assert max(reader.silence for reader in readers) <= 3.0


async def test_new_settings_replace_engines_one_by_one_while_people_read(house: House) -> None:
    first, readers = await house.two_engines_and_four_readers()
    await house.up("--engines", "2", TOWNHALL_GPT2_ROWS="4")
    await house.until(lambda: len(house.engines()) == 2 and not house.engines() & first)
    for reader in readers:
        await reader.end()
    assert [reader.error for reader in readers] == [None] * 4
    assert {engine.registration.status.loaded[0].rows for engine in house.router.fleet.taking} == {4}
    assert max(reader.silence for reader in readers) <= 3.0


async def test_the_line_decides_how_many_there_are(house: House) -> None:
    await house.up("--engines", "1-3", TOWNHALL_GPT2_ROWS="1")
    readers = [Reader(house) for _ in range(3)]
    await house.until(lambda: len(house.engines()) == 3)
    for reader in readers:
        await reader.end()
    assert [reader.error for reader in readers] == [None] * 3


async def test_serves_own_file_of_applications_makes_a_pool(house: House, tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    args = {"model": MODEL, "routers": [house.url], "cpus": 1, "engines": [1, 2], "given": {SECRET_NAME: SECRET}}
    application = {"name": f"townhall-{MODEL}", "route_prefix": None, "import_path": "plugins.gpt2.ray_host.app:pool"}
    file.write_text(json.dumps({"proxy_location": "Disabled", "applications": [application | {"args": args}]}))
    serve = await asyncio.create_subprocess_exec(
        *(str(Path(house.cluster.program).with_name("serve")), "run", "--non-blocking", str(file)),
        env=house.cluster.environment,
    )
    assert await serve.wait() == 0
    await house.until(lambda: house.engines())
    assert (await house.ask(20).done()).error is None


async def test_a_model_that_is_none_is_told_with_its_reason(house: House) -> None:
    done = await house.townhall("up", "no-such/folder/at-all", "--cpus", "1")
    assert done.returncode == 1
    assert "deploy_failed" in done.stderr
    assert "no-such/folder/at-all" in done.stderr
    assert (await house.townhall("status")).returncode == 1


class Reader:
    """Somebody who asks again and again, and measures the longest silence."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.error: Exception | None = None
        self.silence = 0.0
        self.texts = 0
        self._enough = False
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while not self._enough:
            self._house.asked += 1
            asked = GenerationRequest("My fellow citizens", 300, MODEL, GREEDY, user_id=self._house.asked)
            heard = time.monotonic()
            try:
                async for event in self._house.bot.generate(asked):
                    self.silence = max(self.silence, time.monotonic() - heard)
                    heard = time.monotonic()
                    self.texts += isinstance(event, Text)
            except Exception as error:
                self.error = error
                return

    async def end(self) -> None:
        self._enough = True
        await asyncio.wait_for(self._task, 60)


def processes(title: str) -> list[int]:
    """Return the processes of this cluster that go by a title."""
    found = subprocess.run(["pgrep", "-f", f"^{re.escape(title)}"], capture_output=True, text=True, check=True).stdout
    return [int(line) for line in found.split()]


def test_a_ray_without_a_token_is_refused(ray_cluster: Cluster) -> None:
    open_ray = {"RAY_AUTH_MODE": "disabled", "RAY_ADDRESS": "127.0.0.3:6401"}
    with running_cluster(address="127.0.0.3", port=6401, RAY_AUTH_MODE="disabled"):
        done = ray_cluster.townhall("ray", "up", MODEL, "--router", "http://127.0.0.1:1", **open_ray)
    assert done.returncode == 1
    assert "asks for no token" in done.stderr


def test_where_there_is_no_ray_it_says_how_to_start_one() -> None:
    done = Cluster(Path("here")).townhall("ray", "status", RAY_ADDRESS="127.0.0.4:6402")
    assert done.returncode == 1
    assert "ray start --head" in done.stderr


@pytest.mark.filterwarnings("ignore")  # Ray's own, at its import
@pytest.mark.parametrize(
    ("failure", "beating", "words"),
    [(None, True, None), ("The engine's thread ended.", True, "thread ended"), (None, False, "does not register")],
)
def test_a_replica_that_can_write_nothing_or_that_no_router_hears_of_is_to_be_replaced(
    failure: str | None, beating: bool, words: str | None
) -> None:
    from plugins.gpt2.ray_host.replica import Replica

    replica = Replica.__new__(Replica)  # without Ray around it
    replica._engine = SimpleNamespace(status=SimpleNamespace(failure=failure), beating=beating)  # type: ignore[assignment]  # stands for an engine
    if words is None:
        replica.check_health()
    else:
        with pytest.raises(RuntimeError, match=words):
            replica.check_health()
