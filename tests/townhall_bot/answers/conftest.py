"""One bot for each file of cases: what each costs is then its own few milliseconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.townhall_bot.answers.stage import RATE_SCALE, Stage, StagePlugin, discord_py_does_not_pause
from townhall_bot import testkit
from townhall_bot.discordpy import backoff
from townhall_bot.replies import refusal


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every attempt be made at once."""
    monkeypatch.setattr(backoff, "uniform", lambda low, high: low)
    discord_py_does_not_pause(monkeypatch)
    monkeypatch.setattr(refusal, "_WARNED", set())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A bot with ``/act``, for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:

        def clean(settings: object) -> None:
            patch.setenv("TOWNHALL_HEALTH_PORT", "0")

        folder = tmp_path_factory.mktemp("stage")
        async with testkit.local_discord(RATE_SCALE) as server, testkit.starting(server, folder, clean) as start:
            ada = server.townhall().people["ada"]
            yield Stage(server, await start(StagePlugin), ada)


@pytest.fixture(autouse=True)
def nothing_goes_wrong_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the next case no faults."""
    yield
    if "stage" in request.fixturenames:
        request.getfixturevalue("stage").server.faults.clear()
