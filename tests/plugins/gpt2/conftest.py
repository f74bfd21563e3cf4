"""Models are tested with a cache of weights of the test run's own; compiled kernels are shared with other runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from plugins.gpt2.model import compiler
from plugins.gpt2.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.fake_source import FakeSource, Start, settings


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        compiler.use()  # names the shared kernel cache, before the folder changes
        patch.setenv("CACHEDB", os.environ["CACHEDB"])
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr(compiler, "cache_folder", lambda: folder)
        yield


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
