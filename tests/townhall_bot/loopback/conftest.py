"""A local Discord, and a real discord.py client with a few commands, for every test of the loopback."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.townhall_bot.loopback.example_bot import Connect, ExampleBot, running
from townhall_bot.loopback import LoopbackDiscord, ManualClock, TownhallWorld, point_discord_at
from townhall_bot.loopback.wire.openapi import DESCRIPTION_VARIABLE, checker, find_description
from townhall_bot.testkit import undescribed


@pytest.fixture
def clock() -> ManualClock:
    """The server's clock where a test needs to move it; the default one follows real time."""
    return ManualClock()


@pytest.fixture
async def server(request: pytest.FixtureRequest) -> AsyncIterator[LoopbackDiscord]:
    clock = request.getfixturevalue("clock") if "clock" in request.fixturenames else time.time
    async with LoopbackDiscord(rate_scale=0.02, clock=clock) as server:
        with point_discord_at(server):
            yield server
        faults = undescribed(server)
    if faults and "breaks_the_description" not in request.fixturenames:
        pytest.fail("requests that Discord's description does not allow:\n" + "\n".join(faults))


@pytest.fixture
def breaks_the_description() -> None:
    """Let a test send what Discord's description forbids: it is about the refusal."""


@pytest.fixture
async def world(server: LoopbackDiscord) -> TownhallWorld:
    return server.townhall()


@pytest.fixture
async def connect(server: LoopbackDiscord, world: TownhallWorld) -> AsyncIterator[Connect]:
    """Start a client, by default one with the example's commands synced."""
    async with AsyncExitStack() as stack:

        async def start(bot: ExampleBot | None = None, *, sync: bool = True) -> ExampleBot:
            bot = bot or ExampleBot()
            await stack.enter_async_context(running(bot, server.token))
            if sync:
                await bot.tree.sync()
            return bot

        yield start


@pytest.fixture
async def bot(connect: Connect) -> ExampleBot:
    return await connect()


@pytest.fixture
def needs_description() -> None:
    """Skip where Discord's OpenAPI description is not at hand."""
    if checker(find_description()) is None:
        pytest.skip(f"Discord's OpenAPI description, or jsonschema-rs, is not here; {DESCRIPTION_VARIABLE} may name it")
