"""Models that come and go: loaded once for all who wait, beside what serves, and gone when nobody needs them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import EngineFailed, ModelUnavailable
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.contract.conftest import Begin
from tests.plugins.gpt2.fake_model import greedy_text, request


async def test_a_request_that_comes_before_its_model_waits_for_it_and_hears_how_far_it_is(begin: Begin) -> None:
    stage = await begin(held=["fake"])
    asker = Asker(stage.generator, request("Hello", count=5))
    await asker.until(lambda: asker.queued and asker.queued[-1].loading)
    assert asker.places[-1] == 0
    stage.go_on_loading("fake")
    await asker.done()
    assert asker.text == greedy_text("Hello", 5)
    lines = [str(told.loading) for told in asker.queued if told.loading is not None]
    assert all(line.startswith(("Looking for fake", "fake: ")) for line in lines)
    assert any(line.startswith("fake: loading, ") for line in lines), "and hears it again when there is news"
    await stage.told()
    assert stage.generator.status().loading is None


async def test_a_model_is_loaded_with_lines_of_progress_that_come_on_the_event_loop(begin: Begin) -> None:
    stage = await begin()
    lines: list[Message] = []
    threads: set[int] = set()

    def hear(line: Message) -> None:
        lines.append(line)
        threads.add(threading.get_ident())

    info = await stage.generator.ensure_model("other", hear)
    assert (info.name, info.device, info.dtype, info.parameters) == ("other", "FAKE", "fp32", 1000)
    told = [str(line) for line in lines]
    assert told[0] == "Looking for other"
    assert told.index("other: downloading, 1 MB of 2 MB (50 %)") < told.index("other: loading, 50 % (2 kB in memory)")
    assert threads == {threading.get_ident()}
    lines.clear()
    assert (await stage.generator.ensure_model("other", hear)) == info
    assert lines == [], "there is nothing to wait for"


async def test_callers_at_the_same_time_share_one_load(begin: Begin) -> None:
    stage = await begin(held=["other"])
    lines: list[Message] = []
    loads = [
        asyncio.create_task(stage.generator.ensure_model("other", lines.append)),
        asyncio.create_task(stage.generator.ensure_model("other", lines.append)),
        asyncio.create_task(stage.generator.ensure_model("other")),
    ]
    asker = Asker(stage.generator, request("Hello", count=3, model="other"))
    await asker.until(lambda: asker.places)
    stage.go_on_loading("other")
    assert {info.name for info in await asyncio.gather(*loads)} == {"other"}
    assert (await asker.done()).text == greedy_text("Hello", 3)
    assert stage.loads("other") == 1
    assert [str(line) for line in lines].count("other: loading, 50 % (2 kB in memory)") == 2


async def test_one_who_stops_waiting_for_a_model_does_not_stop_the_others(begin: Begin) -> None:
    stage = await begin(held=["other"])
    impatient, patient = (asyncio.create_task(stage.generator.ensure_model("other")) for _ in range(2))
    asker = Asker(stage.generator, request("Hello", model="other"))
    await asker.until(lambda: asker.places)
    impatient.cancel()
    await asker.leave()
    stage.go_on_loading("other")
    assert (await patient).name == "other"


async def test_the_old_model_serves_while_the_new_one_comes_and_one_can_go_back(begin: Begin) -> None:
    stage = await begin(held=["other"])
    switching = asyncio.create_task(stage.generator.ensure_model("other"))
    asker = await Asker(stage.generator, request("Hello", count=6)).done()
    assert asker.text == greedy_text("Hello", 6)
    stage.go_on_loading("other")
    assert (await switching).name == "other"
    await stage.told()
    assert set(stage.generator.status().models) == {"fake", "other"}
    assert (await stage.generator.ensure_model("fake")).name == "fake"
    for model in ("fake", "other"):
        asker = await Asker(stage.generator, request("Back", count=6, model=model)).done()
        assert asker.text == greedy_text("Back", 6)
        assert asker.finished is not None
        assert asker.finished.timing.model == model
    assert (stage.loads("fake"), stage.loads("other")) == (1, 1)


async def test_texts_of_two_models_are_written_side_by_side(begin: Begin) -> None:
    stage = await begin(rows=1)
    await stage.generator.ensure_model("other")
    stage.hold()
    askers = [Asker(stage.generator, request("Hello", count=20, model=model)) for model in ("fake", "other")]
    async with asyncio.timeout(20):
        while stage.generator.status().running < 2:
            await stage.told()
            await asyncio.sleep(0)
    assert not any(asker.finished for asker in askers)
    stage.go_on()
    for asker in askers:
        assert (await asker.done()).text == greedy_text("Hello", 20)


async def test_a_model_that_the_host_does_not_offer_is_refused_with_those_it_does(begin: Begin) -> None:
    stage = await begin()
    with pytest.raises(ModelUnavailable, match="There are: fake, other, third, bad"):
        await stage.generator.ensure_model("gpt2-xl")
    asker = await Asker(stage.generator, request("x", model="gpt2-xl")).done()
    assert isinstance(asker.error, ModelUnavailable)
    assert asker.refusal == "unavailable.not_offered"


async def test_a_model_that_cannot_be_loaded_says_why_without_the_hosts_folders(begin: Begin) -> None:
    stage = await begin()
    stage.lose("other")
    with pytest.raises(ModelUnavailable, match=r"config\.json is not there") as refusal:
        await stage.generator.ensure_model("other")
    assert "/srv/models" not in str(refusal.value)
    asker = await Asker(stage.generator, request("x", model="other")).done()
    assert isinstance(asker.error, ModelUnavailable)
    assert asker.refusal == "unavailable.not_opened"
    await stage.told()
    assert stage.generator.status().failure is None, "the default model serves"
    assert (await Asker(stage.generator, request("x", count=3)).done()).text == greedy_text("x", 3)


async def test_all_who_wait_for_a_model_hear_that_it_cannot_be_loaded_and_it_is_tried_again_for_the_next(
    begin: Begin,
) -> None:
    stage = await begin(held=["other"])
    stage.lose("other")
    askers = [Asker(stage.generator, request("x", user=user, model="other")) for user in range(3)]
    await askers[2].until(lambda: askers[2].places)
    stage.go_on_loading("other")
    for asker in askers:
        assert (await asker.done()).refusal == "unavailable.not_opened"
    assert stage.loads("other") == 1
    stage.find("other")
    assert (await Asker(stage.generator, request("x", count=3, model="other")).done()).text == greedy_text("x", 3)


async def test_a_default_model_that_cannot_be_loaded_is_a_failure_until_it_can(begin: Begin) -> None:
    stage = await begin(held=["fake"])
    stage.lose("fake")
    asker = Asker(stage.generator, request("x"))
    stage.go_on_loading("fake")
    assert (await asker.done()).refusal == "unavailable.not_opened"
    await stage.told()
    assert "config.json is not there" in (stage.generator.status().failure or "")
    stage.find("fake")
    await stage.generator.ensure_model("fake")
    await stage.told()
    assert stage.generator.status().failure is None


async def test_a_model_that_nobody_uses_leaves_and_comes_back_when_it_is_asked_for(begin: Begin) -> None:
    stage = await begin(idle_s=60)
    stage.advance(61)
    await stage.unloaded("fake")
    await stage.told()
    assert stage.generator.status().models == ()
    asker = await Asker(stage.generator, request("Hello", count=5)).done()
    assert asker.text == greedy_text("Hello", 5)
    assert stage.loads("fake") == 2


async def test_a_model_that_writes_does_not_count_as_idle(begin: Begin) -> None:
    stage = await begin(context=100_000, idle_s=60, max_count=1000)
    await stage.generator.ensure_model("other")
    endless = Asker(stage.generator, request("Hello", count=1000))
    await endless.until(lambda: endless.text)
    stage.advance(61)
    await stage.unloaded("other")
    await stage.told()
    assert stage.generator.status().models == ("fake",)
    await endless.leave()


async def test_who_waits_for_a_model_is_told_when_the_generator_is_closed(begin: Begin) -> None:
    stage = await begin(held=["other"])
    loading = asyncio.create_task(stage.generator.ensure_model("other"))
    asker = Asker(stage.generator, request("x", model="other"))
    await asker.until(lambda: asker.places)
    await stage.generator.close()
    with pytest.raises(ModelUnavailable, match="The bot is stopping"):
        await loading
    await asker.done()
    assert isinstance(asker.error, EngineFailed)
    with pytest.raises(EngineFailed):
        await stage.generator.ensure_model("other")
