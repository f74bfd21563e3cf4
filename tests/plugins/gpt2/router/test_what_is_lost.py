"""Engines and routers that are killed in the middle of texts: nobody who reads sees it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from plugins.gpt2.protocol import EngineFailed, Started, Text
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.fake_model import request
from tests.plugins.gpt2.router.fake_fleet import FakeEngine, House, words


def busy(engines: list[FakeEngine]) -> FakeEngine:
    """Return the engine that writes."""
    return next(engine for engine in engines if engine.service.running)


async def test_a_text_whose_engine_is_killed_goes_on_in_another_one_and_is_whole(house: House) -> None:
    router = await house.router()
    engines = [await house.engine(tokens=4) for _ in range(2)]
    bot = await house.bot()
    asker = Asker(bot, request("Hello", count=12))
    await asker.until(lambda: asker.text == words(4))
    first = busy(engines)
    for engine in engines:
        await engine.service.allow(0 if engine is first else None)
    await first.kill()
    await asker.done()
    assert asker.error is None
    assert asker.text == words(12)
    assert sum(isinstance(event, Started) for event in asker.events) == 1
    assert asker.finished is not None
    timing = asker.finished.timing
    assert (timing.new_tokens, timing.moved, timing.prompt_tokens) == (12, 1, 3)
    assert router.moved == 1


async def test_it_goes_before_those_who_wait(house: House) -> None:
    await house.router()
    first = await house.engine(rows=1, tokens=4)
    bot = await house.bot()
    running = Asker(bot, request("Hello", count=8, user=1))
    await running.until(lambda: running.text == words(4))
    waiting = Asker(bot, request("Me too", count=3, user=2))
    await waiting.until(lambda: waiting.places)
    await first.kill()
    second = await house.engine(rows=1)
    for asker in (running, waiting):
        assert (await asker.done()).error is None
    assert [asked.prompt for asked in second.service.asked] == ["Hello", "Me too"]
    assert (running.text, waiting.text) == (words(8), words(3))


async def test_after_two_lost_engines_it_fails_with_what_was_written(house: House) -> None:
    router = await house.router()
    engines = [await house.engine(tokens=2) for _ in range(3)]
    bot = await house.bot()
    asker = Asker(bot, request("Hello", count=12))
    for tokens in (2, 4):
        await asker.until(lambda: len(asker.text.split()) >= tokens)  # noqa: B023 - awaited in the same turn
        await busy(engines).kill()
    await asker.done()
    assert isinstance(asker.error, EngineFailed)
    assert asker.refusal == "failed.engines_lost"
    assert asker.error.partial_text == asker.text == words(4)
    assert router.status().running == 0


async def test_a_text_whose_router_is_killed_goes_on_at_the_stand_by(house: House) -> None:
    await house.router()
    second = await house.router()
    engine = await house.engine(tokens=5)
    bot = await house.bot()
    asker = Asker(bot, replace(request("Hello", count=12), request_id=7))
    await asker.until(lambda: asker.text == words(5))
    await house.routers[0].kill()
    await engine.service.allow(None)
    await asker.done()
    assert asker.error is None
    assert asker.text == words(12)
    assert asker.finished is not None
    assert asker.finished.timing.new_tokens == 12
    later = await Asker(bot, request("Hello", count=3)).done()
    assert later.text == words(3)
    assert second.status().running == 0


async def test_without_any_router_one_is_told_so_in_words(house: House) -> None:
    await house.router()
    await house.engine(tokens=3)
    bot = await house.bot(patience_s=0.2)
    asker = Asker(bot, request("Hello", count=12))
    await asker.until(lambda: asker.text == words(3))
    await house.routers[0].kill()
    await asker.done()
    assert isinstance(asker.error, EngineFailed)
    assert asker.refusal == "failed.router_lost"
    assert asker.error.partial_text == words(3)
    await bot.refresh()
    assert "No router answers" in (bot.status().failure or "")


async def test_stop_from_another_bot_ends_it(house: House) -> None:
    await house.router()
    engine = await house.engine(tokens=3)
    asking, stopping = await house.bot(), await house.bot()
    asker = Asker(asking, replace(request("Hello", count=12), request_id=7))
    await asker.until(lambda: asker.text == words(3))
    assert await stopping.cancel(7)
    await asker.done()
    await house.until(lambda: not engine.service.running)
    assert asker.finished is not None
    assert (asker.finished.reason, asker.finished.timing.new_tokens) == ("cancelled", 3)
    assert not await stopping.cancel(7)


async def test_the_rows_of_a_bot_that_is_gone_are_free(house: House) -> None:
    router = await house.router()
    engine = await house.engine(tokens=3)
    bot = await house.bot()
    askers = [Asker(bot, request("Hello", count=12, user=user)) for user in range(3)]
    await house.until(lambda: len(engine.service.running) == 3)
    await asyncio.gather(*(asker.leave() for asker in askers))
    await house.until(lambda: not engine.service.running)
    assert (router.status().running, router.status().queued) == (0, 0)


async def test_an_engine_that_leaves_ends_what_it_writes_and_gets_nothing_new(house: House) -> None:
    await house.router()
    leaving = await house.engine(tokens=3)
    bot = await house.bot()
    asker = Asker(bot, request("Hello", count=6, user=1))
    await asker.until(lambda: asker.text == words(3))
    staying = await house.engine()
    going = asyncio.create_task(leaving.host.leave(20))
    await asyncio.sleep(0)
    await leaving.host.register()  # it says so with each beat; this one is now
    later = await Asker(bot, request("Hello", count=4, user=2)).done()
    assert later.text == words(4)
    assert len(staying.service.asked) == 1
    assert not going.done()
    await leaving.service.allow(None)
    await going
    assert (await asker.done()).text == words(6)
    assert asker.finished is not None
    assert asker.finished.timing.moved == 0


async def test_a_prompt_goes_to_where_the_like_was_read_unless_that_engine_is_busier(house: House) -> None:
    await house.router()
    engines = [await house.engine(tokens=0) for _ in range(2)]
    bot = await house.bot()
    first = Asker(bot, request("The same opening", count=2, user=1))
    await house.until(lambda: any(engine.service.running for engine in engines))
    home = busy(engines)
    askers = [first]
    for user in range(2, 6):
        askers.append(Asker(bot, request("The same opening", count=2, user=user)))
        await house.until(lambda: sum(len(each.service.running) for each in engines) == len(askers))
    assert len(home.service.running) == 3, "as long as it is at most 2 rows busier"
    for engine in engines:
        await engine.service.allow(None)
    for asker in askers:
        assert (await asker.done()).text == words(2)


async def test_who_asks_again_after_a_cut_replaces_its_own_request(house: House) -> None:
    router = await house.router(member_limit=1)
    engine = await house.engine(tokens=3)
    asked = replace(request("Hello", count=6, user=1), request_id=7)
    async with router.admitted(asked, asker="one of a bot's") as old:
        heard = [await anext(old) for _ in range(2)]
        async with router.admitted(asked, asker="one of a bot's") as new:  # no second place is wanted
            with pytest.raises(EngineFailed) as ended:
                heard += [event async for event in old]
            assert ended.value.message.name == "failed.cancelled"
            await house.until(lambda: len(engine.service.asked) == 2)
            await engine.service.allow(None)
            events = [event async for event in new]
    assert "".join(event.piece for event in events if isinstance(event, Text)) == words(6)
    assert router.status().running == 0
