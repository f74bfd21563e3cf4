"""A model that is loaded because somebody asks for it, while engines are lost."""

from __future__ import annotations

import asyncio

import pytest

from plugins.gpt2.protocol import ModelUnavailable
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.fake_model import request
from tests.plugins.gpt2.router.fake_fleet import FakeEngine, House, words


async def loader(house: House) -> FakeEngine:
    """Return the engine that has been asked to load something, once it has been."""
    found: list[FakeEngine] = []

    def asked() -> bool:
        found[:] = [engine for engine in house.engines if engine.alive and engine.service.loading]
        return bool(found)

    await house.until(asked)
    return found[0]


async def test_a_model_whose_engine_is_lost_while_it_loads_comes_from_another_one(house: House) -> None:
    await house.router()
    for _ in range(2):
        await house.engine(offers=["fake", "other"], loads=False)
    bot = await house.bot()
    loading = asyncio.create_task(bot.ensure_model("other"))
    waiting = Asker(bot, request("Hello", count=4, model="other"))
    first = await loader(house)
    await waiting.until(lambda: waiting.places)
    await first.kill()
    second = await loader(house)
    assert second is not first
    second.service.loads = True
    await second.service.allow(None)
    assert (await loading).name == "other"
    assert (await waiting.done()).text == words(4)


async def test_after_two_lost_engines_who_waits_for_a_model_is_told(house: House) -> None:
    await house.router()
    for _ in range(3):
        await house.engine(offers=["fake", "other"], loads=False)
    bot = await house.bot()
    loading = asyncio.create_task(bot.ensure_model("other"))
    waiting = Asker(bot, request("Hello", count=4, model="other"))
    for _ in range(2):
        await (await loader(house)).kill()
    with pytest.raises(ModelUnavailable) as told:
        await loading
    assert told.value.message.name == "unavailable.engine_lost"
    assert (await waiting.done()).refusal == "unavailable.engine_lost"
    assert sum(bool(engine.service.loading) for engine in house.engines) == 2
