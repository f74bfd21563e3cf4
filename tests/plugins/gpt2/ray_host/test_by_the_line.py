"""Pools grow with the line of their model: told by a router's own page."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from plugins.gpt2.ray_host.by_the_line import ByTheLine, wanted
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.fake_model import request
from tests.plugins.gpt2.router.fake_fleet import House


@pytest.mark.parametrize(
    ("numbers", "engines"),
    [
        ({}, 0),
        ({"waiting": 0, "running": 0, "rows": 16, "model_engines": 2}, 0),
        ({"waiting": 0, "running": 9, "rows": 16, "model_engines": 2}, 2),
        ({"waiting": 1, "running": 16, "rows": 16, "model_engines": 2}, 3),
        ({"waiting": 5, "running": 0, "rows": 0, "model_engines": 0}, 2),
    ],
    ids=[
        "nobody knows the model",
        "nobody asks",
        "two are busy",
        "one more than there is room for",
        "none is there yet",
    ],
)
def test_there_are_as_many_engines_as_write_all_at_once(numbers: dict[str, float], engines: int) -> None:
    assert wanted(numbers, rows=4) == engines


def context(target: int = 2, least: int = 1, most: int = 3) -> SimpleNamespace:
    return SimpleNamespace(
        target_num_replicas=target, capacity_adjusted_min_replicas=least, capacity_adjusted_max_replicas=most
    )


def test_without_a_router_that_answers_all_stays_as_it_is() -> None:
    policy = ByTheLine(["http://127.0.0.1:1"], "fake", 8)
    assert policy(context(target=2)) == (2, {})


async def test_who_waits_and_who_is_written_for_is_counted_at_the_first_router_that_answers(house: House) -> None:
    await house.router()
    await house.engine(rows=1, tokens=0)
    bot = await house.bot()
    router = house.routers[0]
    first = Asker(bot, request("x", user=1))
    await first.until(lambda: first.started)
    second = Asker(bot, request("x", user=2))
    await second.until(lambda: second.places)
    policy = ByTheLine(["http://127.0.0.1:1", router.url], "fake", 8)
    assert await asyncio.to_thread(policy, context(least=1, most=3)) == (2, {})
    assert await asyncio.to_thread(policy, context(least=1, most=1)) == (1, {})
    other = ByTheLine([router.url], "other", 8)
    assert await asyncio.to_thread(other, context(least=1, most=3)) == (1, {})
    for asker in (first, second):
        await asker.leave()
