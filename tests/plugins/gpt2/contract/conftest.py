"""Every test of this folder runs against every implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.plugins.gpt2.contract.implementations import IMPLEMENTATIONS, Setting, Stage
from tests.plugins.gpt2.fake_source import settings

if TYPE_CHECKING:
    from tests.plugins.gpt2.ray_host.cluster import Cluster


class Begin(Protocol):
    """What the fixture ``begin`` gives."""

    async def __call__(
        self,
        *,
        rows: int = 2,
        context: int = 512,
        step_s: float | None = None,
        held: Iterable[str] = (),
        **changes: object,
    ) -> Stage:
        """Return a stage with a generator that has started and, where its loading is not held, its default model."""
        ...


@pytest.fixture(params=[*IMPLEMENTATIONS, pytest.param("on Ray", marks=pytest.mark.ray)])
def implementation(request: pytest.FixtureRequest) -> Setting:
    found: Setting = IMPLEMENTATIONS.get(request.param) or request.getfixturevalue("on_ray")
    return found


@pytest.fixture(scope="session")
def on_ray(ray_cluster: Cluster) -> Setting:
    from tests.plugins.gpt2.ray_host.stage_on_ray import on_ray

    return on_ray(ray_cluster)


@pytest.fixture
async def begin(implementation: Setting) -> AsyncIterator[Begin]:
    async with AsyncExitStack() as stages:

        async def make(
            *,
            rows: int = 2,
            context: int = 512,
            step_s: float | None = None,
            held: Iterable[str] = (),
            **changes: object,
        ) -> Stage:
            setting = implementation(settings(**changes), rows=rows, context=context, step_s=step_s, held=held)
            stage = await stages.enter_async_context(setting)
            if "fake" not in held:
                await stage.generator.ensure_model("fake")
            return stage

        yield make
