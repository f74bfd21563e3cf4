"""A bot's process that is killed (SIGKILL) in the middle of its texts leaves no row taken."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.plugins.gpt2.router.fake_fleet import SECRET, House

BAR_S = 3.0


async def test_the_rows_of_a_bot_that_is_killed_are_free_within_three_seconds(house: House) -> None:
    router = await house.router()
    engine = await house.engine(rows=8, tokens=3)
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.plugins.gpt2.router.bot_program", house.routers[0].url, SECRET, "8",
        cwd=Path(__file__).parents[4],
    )  # fmt: skip
    try:
        await house.until(lambda: len(engine.service.running) == 8, seconds=60)
    finally:
        bot.kill()
        await bot.wait()
    await house.until(lambda: not engine.service.running, seconds=BAR_S)
    async with asyncio.timeout(BAR_S):
        while router.status().running:  # noqa: ASYNC110 - the router tells nobody
            await asyncio.sleep(0)
    assert sum(engine_in_books.busy.total() for engine_in_books in router.fleet.living) == 0
