from __future__ import annotations

from plugins.gpt2.engine.model_host import ModelHost
from plugins.gpt2.engine.notices import Failed, Notice, RequestEvent
from plugins.gpt2.protocol import Finished
from tests.plugins.gpt2.fake_model import FakeModel, loading, request


def device_lost(kind: str) -> None:
    raise RuntimeError("device lost")


def run(host: ModelHost) -> list[Notice]:
    notices: list[Notice] = []
    while host.busy:
        notices += host.advance()
    return notices


def test_who_gives_up_in_between_does_not_forgive_failures() -> None:
    host = ModelHost("fake", lambda: loading(FakeModel(before_step=device_lost)), clock=lambda: 0.0)
    run(host)
    for key in range(3):
        assert not host.gone
        host.submit(key, request("fails"), submitted=0.0)
        assert any(isinstance(notice, Failed) and notice.key == key for notice in run(host))
        if key < 2:
            host.submit(10 + key, request("given up"), submitted=0.0)
            host.cancel(10 + key)
            [told] = run(host)
            assert isinstance(told, RequestEvent)
            assert isinstance(told.event, Finished)
    assert host.gone
