"""What is the local engine's own: its thread may die, and files come from threads. The rest is in the contract."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import EngineFailed, ModelUnavailable
from plugins.gpt2.service.model_source import Opened
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.fake_model import request
from tests.plugins.gpt2.fake_source import FakeSource, Gate, Start


async def test_when_the_engine_thread_dies_everyone_is_told_and_nobody_hangs(start: Start) -> None:
    gate = Gate()

    def before_step(kind: str) -> None:
        gate(kind)
        raise SystemExit("a library called exit()")

    may_open = threading.Event()
    source = FakeSource(rows=1, before_step=before_step, before_open=lambda name: name == "fake" or may_open.wait(20))
    service = await start(source)
    await service.ensure_model("fake")
    askers = [Asker(service, request("x", user=user)) for user in range(3)]
    loading = asyncio.create_task(service.ensure_model("other"))
    await askers[2].until(lambda: askers[2].places)
    gate.open()
    for asker in askers:
        await asker.done()
        assert isinstance(asker.error, EngineFailed)
    with pytest.raises(ModelUnavailable):
        await loading  # whatever becomes of its files
    may_open.set()
    assert "SystemExit" in (service.status().failure or "")
    late = await Asker(service, request("x")).done()
    assert isinstance(late.error, EngineFailed)


async def test_closing_does_not_wait_for_a_download(start: Start) -> None:
    begun, may_end, ended = (threading.Event() for _ in range(3))

    def download(name: str) -> None:
        begun.set()
        may_end.wait(20)
        ended.set()

    service = await start(FakeSource(before_open=download))
    assert await asyncio.to_thread(begun.wait, 20)
    await service.close()
    assert not ended.is_set()
    assert service.status().failure == "The bot is stopping."
    may_end.set()


async def test_what_nobody_expected_of_a_models_files_is_a_refusal_like_any_other(start: Start) -> None:
    def broken(name: str) -> None:
        if name == "other":
            raise KeyError("wte.weight")

    service = await start(FakeSource(before_open=broken))
    with pytest.raises(ModelUnavailable, match="other could not be loaded: KeyError"):
        await service.ensure_model("other")
    asker = await Asker(service, request("x", model="other")).done()
    assert isinstance(asker.error, ModelUnavailable)


async def test_a_download_stops_where_nobody_waits_for_it_any_more(start: Start) -> None:
    begun, may_go_on, over = (threading.Event() for _ in range(3))
    stopped_by: list[BaseException] = []

    class Downloading(FakeSource):
        def open(self, name: str, on_progress: Callable[[Message], None]) -> Opened:
            begun.set()
            may_go_on.wait(20)
            try:
                return super().open(name, on_progress)
            except BaseException as error:
                stopped_by.append(error)
                raise
            finally:
                over.set()

    service = await start(Downloading())
    assert await asyncio.to_thread(begun.wait, 20)
    await service.close()
    may_go_on.set()
    assert await asyncio.to_thread(over.wait, 20)
    assert [type(error) for error in stopped_by] == [ConnectionAbortedError]
