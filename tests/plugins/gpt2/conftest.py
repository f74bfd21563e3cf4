"""Services, a Discord on a clock, a small hub, and caches of this run; compiled kernels are shared with other runs."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from plugins.gpt2.model.target import compiler
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.checkpoint.small_hub import CONFIG, REPO, SmallHub
from tests.plugins.gpt2.fake_source import FakeSource, Start, settings
from tests.plugins.gpt2.ray_host.cluster import Cluster, running_cluster
from tools.random_checkpoint import write_checkpoint
from townhall_bot.loopback import LoopbackDiscord, ManualClock, point_discord_at
from townhall_bot.replies import LiveReply
from townhall_bot.testkit import RATE_SCALE, undescribed


@pytest.fixture(autouse=True)
def answers_grow_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edit a growing answer every 50 ms and not every 1.2 s: the Discord of the tests has a shorter minute, too."""
    assert LiveReply.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(LiveReply.__init__.__kwdefaults__, "interval", 0.05)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        compiler.use()  # names the shared kernel cache, before the folder changes
        patch.setenv("CACHEDB", os.environ["CACHEDB"])
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr(compiler, "cache_folder", lambda: folder)
        yield


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Cluster]:
    """Return a Ray on loopback, for tests that are marked ``ray``."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Return a function that makes a running service: of a source, settings and the bytes of memory that are free."""
    services = []

    async def make(source: FakeSource, given: GPT2Settings | None = None, free: int | None = None) -> GPT2Service:
        service = GPT2Service(given or settings(), source, available_memory=lambda: free)
        services.append(service)
        await service.start()
        return service

    yield make
    for service in services:
        await service.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def discord_on_a_clock(clock: ManualClock) -> AsyncIterator[LoopbackDiscord]:
    """A local Discord whose 15 minutes for an answer pass when the test moves the clock."""
    async with LoopbackDiscord(rate_scale=RATE_SCALE, clock=clock) as server:
        with point_discord_at(server):
            yield server
        assert undescribed(server) == []


@pytest.fixture
def small_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHub]:
    """A hub with one model, ``REPO`` of shape ``CONFIG`` and seed 1, instead of the real one."""
    end = huggingface_hub.close_session  # loaded now: a test may leave an address with which it cannot be
    with SmallHub({REPO: write_checkpoint(tmp_path / "small", CONFIG, seed=1)}) as server:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 16384)
        yield server
        end()


@pytest.fixture
def lively(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let edits of growing texts follow each other at once, where they would keep to the pace that Discord accepts."""
    usual = LiveReply.__init__.__kwdefaults__
    monkeypatch.setattr(LiveReply.__init__, "__kwdefaults__", {**(usual or {}), "interval": 0.01})


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the second and more that ``huggingface_hub`` waits before it tries again."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
