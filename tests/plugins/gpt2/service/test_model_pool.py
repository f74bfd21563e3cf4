"""Which models are loaded: fetched once, shared, within the host's limits, and gone when nobody needs them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import ModelUnavailable
from tests.plugins.gpt2.fake_model import greedy_text, request
from tests.plugins.gpt2.fake_source import Asker, FakeSource, Start, settings


async def test_callers_at_the_same_time_share_one_load(start: Start) -> None:
    source = FakeSource()
    service = await start(source)
    lines: list[Message] = []
    infos = await asyncio.gather(
        service.ensure_model("other", lines.append),
        service.ensure_model("other", lines.append),
        service.ensure_model("other"),
    )
    assert {info.name for info in infos} == {"other"}
    assert source.opened.count("other") == 1
    told = [str(line) for line in lines]
    assert told.count("other: downloading, 1 MB of 2 MB (50 %)") == 2
    assert told.count("other: loading, 50 % (2 kB in memory)") == 2


async def test_a_model_that_cannot_be_opened_says_why_without_the_hosts_folders(start: Start) -> None:
    service = await start(FakeSource())
    with pytest.raises(ModelUnavailable, match=r"config\.json is not there") as refusal:
        await service.ensure_model("bad")
    assert "/srv/models" not in str(refusal.value)
    asker = await Asker(service, request("x", model="bad")).done()
    assert isinstance(asker.error, ModelUnavailable)
    assert (await Asker(service, request("x", count=3)).done()).text == greedy_text("x", 3)


async def test_a_model_that_the_host_does_not_offer_is_refused_with_those_it_does(start: Start) -> None:
    service = await start(FakeSource())
    with pytest.raises(ModelUnavailable, match="There are: fake, other, third, bad"):
        await service.ensure_model("gpt2-xl")
    asker = await Asker(service, request("x", model="gpt2-xl")).done()
    assert isinstance(asker.error, ModelUnavailable)


async def test_the_old_model_serves_while_the_new_one_comes(start: Start) -> None:
    may_open = threading.Event()
    source = FakeSource(before_open=lambda name: name == "fake" or may_open.wait(20))
    service = await start(source)
    await service.ensure_model("fake")
    switching = asyncio.create_task(service.ensure_model("other"))
    asker = await Asker(service, request("Hello", count=6)).done()
    assert asker.text == greedy_text("Hello", 6)
    may_open.set()
    assert (await switching).name == "other"


async def test_models_beyond_the_limit_leave_when_idle_the_longest_unused_first(start: Start) -> None:
    service = await start(FakeSource(), settings(loaded_models=2))
    await service.ensure_model("fake")
    await service.ensure_model("other")
    await Asker(service, request("x", count=1, model="fake")).done()
    await service.ensure_model("third")
    assert set((await service.status()).models) == {"fake", "third"}
    asker = await Asker(service, request("back", count=4, model="other")).done()  # it comes back when it is wanted
    assert asker.text == greedy_text("back", 4)


async def test_a_model_in_use_never_leaves(start: Start) -> None:
    service = await start(FakeSource(context=100_000), settings(loaded_models=1, max_count=1000))
    await service.ensure_model("fake")
    endless = Asker(service, request("Hello", count=1000))
    await endless.until(lambda: endless.text)
    await service.ensure_model("other")
    assert set((await service.status()).models) == {"fake", "other"}
    await endless.leave()
    await Asker(service, request("x", count=2, model="other")).done()  # by then, the engine has ended the other one
    assert (await service.status()).models == ("other",)


async def test_memory_that_is_too_short_is_foreseen_with_the_numbers(start: Start) -> None:
    service = await start(FakeSource(memory_bytes=3_000_000_000), free=1_000_000_000)
    with pytest.raises(ModelUnavailable, match=r"needs 3\.00 GB of memory and 1\.00 GB are free"):
        await service.ensure_model("fake")


async def test_where_memory_is_short_an_idle_model_makes_room(start: Start) -> None:
    source = FakeSource(memory_bytes=600)
    service = await start(source, free=700)
    await service.ensure_model("fake")
    await service.ensure_model("other")
    assert (await service.status()).models == ("fake", "other")  # each of them fits into what is free
    source.memory_bytes = 1200
    await service.ensure_model("third")  # 700 free and 600 of the longest unused
    assert set((await service.status()).models) == {"other", "third"}


async def test_the_hosts_memory_budget_holds_whatever_the_machine_has_free(start: Start) -> None:
    source = FakeSource(memory_bytes=600_000_000)
    service = await start(source, settings(memory_mb=1000, loaded_models=5), free=10**12)
    await service.ensure_model("fake")
    await service.ensure_model("other")  # both would be 1.2 GB: the idle one makes room
    assert (await service.status()).models == ("other",)
    source.memory_bytes = 1_200_000_000
    with pytest.raises(ModelUnavailable, match=r"“third” needs 1\.20 GB of memory, and this host gives GPT-2 no more"):
        await service.ensure_model("third")
    assert (await service.status()).models == ("other",)


async def test_two_models_serve_side_by_side_while_the_budget_holds_both(start: Start) -> None:
    service = await start(FakeSource(memory_bytes=400_000_000), settings(memory_mb=1000))
    askers = [Asker(service, request("Hello", count=20, model=model)) for model in ("fake", "other")]
    for asker in askers:
        await asker.done()
        assert asker.text == greedy_text("Hello", 20)
    assert set((await service.status()).models) == {"fake", "other"}


async def test_a_model_that_nobody_uses_leaves_and_comes_back_when_it_is_asked_for(start: Start) -> None:
    source = FakeSource()
    service = await start(source, settings(idle_s=0.05))
    await service.ensure_model("fake")
    [model] = source.models
    assert await asyncio.to_thread(model.closed.wait, 20)
    assert (await service.status()).models == ()
    asker = await Asker(service, request("Hello", count=5)).done()
    assert asker.text == greedy_text("Hello", 5)
    assert source.opened == ["fake", "fake"]
