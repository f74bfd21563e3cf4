"""Which models stay loaded: within the host's limits, and as memory allows."""

from __future__ import annotations

import pytest

from plugins.gpt2.protocol import ModelUnavailable
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.fake_model import greedy_text, request
from tests.plugins.gpt2.fake_source import FakeSource, Start, settings


async def test_models_beyond_the_limit_leave_when_idle_the_longest_unused_first(start: Start) -> None:
    service = await start(FakeSource(), settings(loaded_models=2))
    await service.ensure_model("fake")
    await service.ensure_model("other")
    await Asker(service, request("x", count=1, model="fake")).done()
    await service.ensure_model("third")
    assert set(service.status().models) == {"fake", "third"}
    asker = await Asker(service, request("back", count=4, model="other")).done()  # it comes back when it is wanted
    assert asker.text == greedy_text("back", 4)


async def test_a_model_in_use_never_leaves(start: Start) -> None:
    service = await start(FakeSource(context=100_000), settings(loaded_models=1, max_count=1000))
    await service.ensure_model("fake")
    endless = Asker(service, request("Hello", count=1000))
    await endless.until(lambda: endless.text)
    await service.ensure_model("other")
    assert set(service.status().models) == {"fake", "other"}
    await endless.leave()
    await Asker(service, request("x", count=2, model="other")).done()  # by then, the engine has ended the other one
    assert service.status().models == ("other",)


async def test_memory_that_is_too_short_is_foreseen_with_the_numbers(start: Start) -> None:
    service = await start(FakeSource(memory_bytes=3_000_000_000), free=1_000_000_000)
    with pytest.raises(ModelUnavailable, match=r"needs 3\.00 GB of memory and 1\.00 GB are free"):
        await service.ensure_model("fake")


async def test_where_memory_is_short_an_idle_model_makes_room(start: Start) -> None:
    source = FakeSource(memory_bytes=600)
    service = await start(source, free=700)
    await service.ensure_model("fake")
    await service.ensure_model("other")
    assert service.status().models == ("fake", "other")  # each of them fits into what is free
    source.memory_bytes = 1200
    await service.ensure_model("third")  # 700 free and 600 of the longest unused
    assert set(service.status().models) == {"other", "third"}


async def test_the_hosts_memory_budget_holds_whatever_the_machine_has_free(start: Start) -> None:
    source = FakeSource(memory_bytes=600_000_000)
    service = await start(source, settings(memory_mb=1000, loaded_models=5), free=10**12)
    await service.ensure_model("fake")
    await service.ensure_model("other")  # both would be 1.2 GB: the idle one makes room
    assert service.status().models == ("other",)
    source.memory_bytes = 1_200_000_000
    with pytest.raises(ModelUnavailable, match=r"“third” needs 1\.20 GB of memory, and this host gives GPT-2 no more"):
        await service.ensure_model("third")
    assert service.status().models == ("other",)


async def test_two_models_serve_side_by_side_while_the_budget_holds_both(start: Start) -> None:
    service = await start(FakeSource(memory_bytes=400_000_000), settings(memory_mb=1000))
    askers = [Asker(service, request("Hello", count=20, model=model)) for model in ("fake", "other")]
    for asker in askers:
        await asker.done()
        assert asker.text == greedy_text("Hello", 20)
    assert set(service.status().models) == {"fake", "other"}
