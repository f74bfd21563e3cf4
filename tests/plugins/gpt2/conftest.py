"""Models are tested with a cache of weights of the test run's own; compiled kernels are shared with other runs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from plugins.gpt2.model import compiler


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        compiler.use()  # names the shared kernel cache, before the folder changes
        patch.setenv("CACHEDB", os.environ["CACHEDB"])
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr(compiler, "cache_folder", lambda: folder)
        yield
