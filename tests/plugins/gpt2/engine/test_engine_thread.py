from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from plugins.gpt2.engine.engine_thread import EngineThread
from plugins.gpt2.engine.model_host import Build
from plugins.gpt2.engine.notices import (
    EngineStopped,
    Failed,
    Loaded,
    Loading,
    Notice,
    NotLoaded,
    Outbox,
    RequestEvent,
    coalesce,
)
from plugins.gpt2.messages import message
from plugins.gpt2.protocol import EngineFailed, Finished, ModelUnavailable, Started, Text
from tests.plugins.gpt2.fake_model import FakeModel, greedy_text, loading, request


class Listener:
    """Keeps what the engine tells and lets a test wait for it."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self._news = asyncio.Event()
        self.engine = EngineThread(self.receive)

    def receive(self, notices: Sequence[Notice]) -> None:
        self.notices += notices
        self._news.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self._news.clear()
                await self._news.wait()

    def of(self, kind: type[Notice]) -> list[Notice]:
        return [notice for notice in self.notices if isinstance(notice, kind)]

    def text(self, key: int) -> str:
        return "".join(
            notice.event.piece
            for notice in self.notices
            if isinstance(notice, RequestEvent) and notice.key == key and isinstance(notice.event, Text)
        )

    def finished(self, key: int) -> Finished | None:
        for notice in self.notices:
            if isinstance(notice, RequestEvent) and notice.key == key and isinstance(notice.event, Finished):
                return notice.event
        return None

    def error(self, key: int) -> Exception | None:
        return next((n.error for n in self.notices if isinstance(n, Failed) and n.key == key), None)

    async def ended(self, key: int) -> None:
        await self.until(lambda: self.finished(key) or self.error(key))

    async def load(self, name: str, build: Build) -> None:
        self.engine.load(name, build)
        await self.until(lambda: [n for n in self.notices if isinstance(n, Loaded | NotLoaded) and n.name == name])


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    listener.engine.start(asyncio.get_running_loop())
    yield listener
    listener.engine.stop()
    await listener.until(lambda: listener.of(EngineStopped))
    assert await asyncio.to_thread(listener.engine.join, 10)


async def test_a_model_is_loaded_and_serves_all_in_one_thread_of_its_own(listener: Listener) -> None:
    model = FakeModel()
    await listener.load("fake", lambda: loading(model))
    assert len(listener.of(Loading)) == 2
    listener.engine.submit(1, request("Hello", count=9), 0.0)
    await listener.until(lambda: listener.finished(1))
    assert listener.text(1) == greedy_text("Hello", 9)
    assert len(model.threads) == 1
    assert threading.get_ident() not in model.threads


async def test_while_another_model_loads_the_first_one_goes_on(listener: Listener) -> None:
    await listener.load("fake", lambda: loading(FakeModel()))
    listener.engine.submit(1, request("Hello", count=20), 0.0)
    listener.engine.load("other", lambda: loading(FakeModel("other"), pieces=10_000_000))  # practically for ever
    await listener.until(lambda: listener.finished(1))
    assert listener.text(1) == greedy_text("Hello", 20)
    listener.engine.unload("other")


async def test_a_model_that_cannot_be_loaded_says_why_and_the_thread_goes_on(listener: Listener) -> None:
    def no_compiler() -> object:
        raise ImportError("no C compiler: install clang")

    await listener.load("bad", no_compiler)  # type: ignore[arg-type]  # raises instead of returning
    [told] = listener.of(NotLoaded)
    assert told == NotLoaded("bad", "no C compiler: install clang")
    await listener.load("fake", lambda: loading(FakeModel()))
    listener.engine.submit(1, request("Hello", count=3), 0.0)
    await listener.until(lambda: listener.finished(1))


async def test_a_request_for_a_model_that_is_not_there_is_refused(listener: Listener) -> None:
    listener.engine.submit(1, request("Hello", model="nowhere"), 0.0)
    await listener.until(lambda: listener.error(1))
    assert isinstance(listener.error(1), ModelUnavailable)


async def test_after_a_failing_step_the_model_is_rebuilt_and_serves_the_next_one(listener: Listener) -> None:
    broken, fresh = FakeModel(before_step=_fail_in("decode")), FakeModel()
    models = iter([broken, fresh])
    await listener.load("fake", lambda: loading(next(models)))
    listener.engine.submit(1, request("Hello"), 0.0)
    await listener.until(lambda: listener.error(1))
    error = listener.error(1)
    assert isinstance(error, EngineFailed)
    assert error.partial_text == greedy_text("Hello", 1)
    await listener.until(lambda: len(listener.of(Loaded)) == 2)
    assert broken.closed.is_set()
    listener.engine.submit(2, request("Hello", count=5), 0.0)
    await listener.until(lambda: listener.finished(2))
    assert listener.text(2) == greedy_text("Hello", 5)


async def test_three_failures_in_a_row_take_the_model_out_of_service_with_the_reason(listener: Listener) -> None:
    await listener.load("fake", lambda: loading(FakeModel(rows=1, before_step=_fail_in("prefill"))))
    for key in range(4):
        listener.engine.submit(key, request("Hello"), 0.0)
    await listener.until(lambda: listener.of(NotLoaded))
    assert [type(listener.error(key)) for key in range(4)] == [EngineFailed] * 3 + [ModelUnavailable]
    [told] = listener.of(NotLoaded)
    assert isinstance(told, NotLoaded)
    assert str(told.reason) == "it failed 3 times in a row, the last time with RuntimeError: device lost"


async def test_nobody_is_told_where_the_host_keeps_its_files(listener: Listener) -> None:
    def unreadable(kind: str) -> None:
        raise OSError("/srv/models/poet/model.safetensors: the file has shrunk. Copy it again.")

    await listener.load("poet", lambda: loading(FakeModel(rows=1, before_step=unreadable)))
    for key in range(4):
        listener.engine.submit(key, request("Hello", model="poet"), 0.0)
    await listener.until(lambda: listener.error(3))
    assert str(listener.error(3)) == (
        "poet is out of service: it failed 3 times in a row, the last time with OSError: model.safetensors: the file "
        "has shrunk. Copy it again. An admin can choose it again, or another model, with /gpt2-config."
    )


async def test_a_finished_request_in_between_forgives_failures(listener: Listener) -> None:
    flaky = [FakeModel(before_step=_fail_in("prefill", after=1)) for _ in range(6)]
    models = iter(flaky)
    await listener.load("fake", lambda: loading(next(models)))
    for key in range(10):
        listener.engine.submit(key, request("Hi", count=1), 0.0)
        await listener.ended(key)
    assert sum(listener.finished(key) is not None for key in range(10)) == 5
    assert not listener.of(NotLoaded)


async def test_unloading_frees_the_memory_and_tells_who_still_ran(listener: Listener) -> None:
    running, may_go_on = threading.Event(), threading.Event()

    def hold(kind: str) -> None:
        running.set()
        may_go_on.wait(10)

    model = FakeModel(before_step=hold)
    await listener.load("fake", lambda: loading(model))
    listener.engine.submit(1, request("Hello"), 0.0)
    assert await asyncio.to_thread(running.wait, 10)
    listener.engine.unload("fake")
    may_go_on.set()
    await listener.until(lambda: listener.error(1))
    assert isinstance(listener.error(1), ModelUnavailable)
    assert model.closed.is_set()


async def test_when_the_thread_dies_nobody_is_left_waiting() -> None:
    def hit(kind: str) -> None:
        raise SystemExit("a library in /srv/lib called exit()")

    listener = Listener()
    listener.engine.start(asyncio.get_running_loop())
    await listener.load("fake", lambda: loading(FakeModel(before_step=hit)))
    listener.engine.submit(1, request("Hello"), 0.0)
    await listener.until(lambda: listener.of(EngineStopped))
    assert isinstance(listener.error(1), EngineFailed)
    [died] = listener.of(EngineStopped)
    assert isinstance(died, EngineStopped)
    assert died.reason == "SystemExit: a library in lib called exit()"
    assert str(listener.error(1)) == f"The engine stopped ({died.reason}). The host must restart the bot."
    assert await asyncio.to_thread(listener.engine.join, 10)
    assert not listener.engine.alive


async def test_stopping_ends_what_runs() -> None:
    listener = Listener()
    listener.engine.start(asyncio.get_running_loop())
    started = threading.Event()
    await listener.load("fake", lambda: loading(FakeModel(context=2000, before_step=lambda kind: started.set())))
    listener.engine.submit(1, request("Hello", count=1900), 0.0)
    assert await asyncio.to_thread(started.wait, 10)
    listener.engine.stop()
    await listener.until(lambda: listener.of(EngineStopped))
    assert listener.error(1) or listener.finished(1)
    [died] = listener.of(EngineStopped)
    assert died == EngineStopped(None)


def test_pieces_of_one_text_become_one_and_keep_their_place() -> None:
    notices: list[Notice] = [
        RequestEvent(1, Started()),
        RequestEvent(1, Text("a")),
        RequestEvent(2, Text("x")),
        RequestEvent(1, Text("b")),
        Failed(2, EngineFailed(message("failed.stopping"), "x")),
        RequestEvent(1, Text("c")),
    ]
    assert coalesce(notices) == [
        RequestEvent(1, Started()),
        RequestEvent(1, Text("abc")),
        RequestEvent(2, Text("x")),
        notices[4],
    ]


async def test_an_outbox_whose_loop_is_closed_says_nothing() -> None:
    heard: list[Notice] = []
    loop = asyncio.new_event_loop()
    outbox = Outbox(loop, heard.extend)
    loop.close()
    outbox.put([EngineStopped(None)])
    assert heard == []


def _fail_in(kind: str, after: int = 0) -> Callable[[str], None]:
    passed = 0

    def hook(step: str) -> None:
        nonlocal passed
        if step == kind:
            passed += 1
            if passed > after:
                raise RuntimeError("device lost")

    return hook
