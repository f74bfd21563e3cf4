"""What an autoscaler and a host read of a router."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.fake_model import request
from tests.plugins.gpt2.router.fake_fleet import House


async def gauges(house: House) -> Callable[..., float | None]:
    """Return what looks up a gauge by name and model on the first router's page, which needs no secret."""
    async with aiohttp.ClientSession() as session, session.get(f"{house.routers[0].url}/metrics") as answer:
        page = await answer.text()
    found = {
        (sample.name, sample.labels.get("model")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    return lambda name, model=None: found.get((f"townhall_router_{name}", model))


async def test_each_models_line_and_rows_have_numbers_of_their_own(house: House) -> None:
    await house.router()
    engine = await house.engine(rows=2, tokens=0, offers=["fake", "other"], loads=False)
    bot = await house.bot()
    askers = [Asker(bot, request("Hello", count=2, user=user)) for user in range(3)]
    askers.append(Asker(bot, request("Hello", count=2, user=9, model="other")))
    for asker in askers[2:]:
        await asker.until(lambda: asker.places)  # noqa: B023 - awaited in the same turn
    await house.until(lambda: len(engine.service.running) == 2)
    number = await gauges(house)
    assert [number(name, "fake") for name in ("waiting", "running", "rows", "model_engines")] == [1, 2, 2, 1]
    assert [number(name, "other") for name in ("waiting", "running", "rows", "model_engines")] == [1, 0, 0, 0]
    assert number("engines") == 1
    for asker in askers:
        await asker.leave()


async def test_a_model_that_somebody_waits_for_has_numbers_while_no_engine_is_there(house: House) -> None:
    await house.router(model="somewhere/own", allowed_models=("/srv/models/voice",))
    bot = await house.bot()
    asker = Asker(bot, request("Hello", count=2, model="/srv/models/voice"))
    await asker.until(lambda: asker.places)
    number = await gauges(house)
    assert (number("waiting", "voice"), number("rows", "voice")) == (1, 0)
    assert number("waiting", "/srv/models/voice") is None, "the page is open, and folders are the host's business"
    await asker.leave()
