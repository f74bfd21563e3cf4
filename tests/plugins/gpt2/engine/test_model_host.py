from __future__ import annotations

from plugins.gpt2.engine.model_host import ModelSlot
from plugins.gpt2.engine.notices import Failed, Happened, Notice
from plugins.gpt2.protocol import Finished
from tests.plugins.gpt2.fake_model import FakeModel, loading, request


def device_lost(kind: str) -> None:
    raise RuntimeError("device lost")


def run(slot: ModelSlot) -> list[Notice]:
    notices: list[Notice] = []
    while slot.busy:
        notices += slot.advance()
    return notices


def test_who_gives_up_in_between_does_not_forgive_failures() -> None:
    slot = ModelSlot("fake", lambda: loading(FakeModel(before_step=device_lost)), clock=lambda: 0.0)
    run(slot)
    for key in range(3):
        assert not slot.gone
        slot.submit(key, request("fails"), submitted=0.0)
        assert any(isinstance(notice, Failed) and notice.key == key for notice in run(slot))
        if key < 2:
            slot.submit(10 + key, request("given up"), submitted=0.0)
            slot.cancel(10 + key)
            [told] = run(slot)
            assert isinstance(told, Happened)
            assert isinstance(told.event, Finished)
    assert slot.gone
