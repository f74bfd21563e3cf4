"""What is cancelled, refused or fails ends alone; the others go on."""

from __future__ import annotations

import pytest

from plugins.gpt2.protocol import EngineFailed, InvalidRequest, SamplingParams
from tests.plugins.gpt2.engine.desk import Desk
from tests.plugins.gpt2.fake_model import FakeModel, greedy_text, request


def test_cancelling_frees_the_row_at_the_next_step() -> None:
    desk = Desk(FakeModel(rows=1))
    desk.submit(1, request("endless", count=50))
    desk.submit(2, request("next", count=2))
    desk.step(5)
    desk.scheduler.cancel(1)
    desk.step()
    assert desk.finished[1].reason == "cancelled"
    assert desk.finished[1].timing.new_tokens == len(desk.texts[1])
    assert 2 in desk.notices  # it has the row already
    desk.run()
    assert desk.texts[2] == greedy_text("next", 2)


def test_cancelling_a_waiting_request_ends_it_without_a_token() -> None:
    desk = Desk(FakeModel(rows=1))
    desk.submit(1, request("running", count=5))
    desk.submit(2, request("waiting", count=5))
    desk.step()
    desk.scheduler.cancel(2)
    desk.run()
    assert desk.finished[2].reason == "cancelled"
    assert desk.finished[2].timing.new_tokens == 0
    assert desk.finished[1].reason == "length"


def test_cancelling_what_has_ended_is_no_error() -> None:
    desk = Desk()
    desk.submit(1, request("a", count=1))
    desk.run()
    desk.scheduler.cancel(1)
    desk.submit(1, request("b", count=3))
    desk.run()
    assert desk.finished[1].reason == "length"


def test_bad_sampling_is_refused_alone() -> None:
    desk = Desk()
    desk.submit(1, request("a", sampling=SamplingParams(temperature=9.0)))
    desk.submit(2, request("b", count=3))
    desk.run()
    assert isinstance(desk.errors[1], InvalidRequest)
    assert desk.texts[2] == greedy_text("b", 3)


@pytest.mark.parametrize("kind", ["prefill", "decode"])
def test_a_failing_step_fails_its_own_requests_and_the_others_go_on_after_the_rebuild(kind: str) -> None:
    armed = False

    def fail(step: str) -> None:
        if armed and step == kind:
            raise RuntimeError("device lost")

    desk = Desk(FakeModel(before_step=fail))
    desk.submit(1, request("first", count=20))
    desk.step(6)
    desk.submit(2, request("second, with a prompt of several slices", count=8))
    desk.step(2)
    armed = True
    desk.step()
    assert isinstance(desk.broken, RuntimeError)

    failed, survivor = (1, 2) if kind == "decode" else (2, 1)
    error = desk.errors[failed]
    assert isinstance(error, EngineFailed)
    assert error.partial_text == desk.texts.get(failed, "")

    desk.scheduler.rebuilt(FakeModel())
    desk.run()
    whole = {1: greedy_text("first", 20), 2: greedy_text("second, with a prompt of several slices", 8)}
    assert desk.texts[survivor] == whole[survivor]
    assert desk.finished[survivor].reason == "length"


def test_logits_that_are_not_numbers_fail_their_own_request_only() -> None:
    class Poisoned(FakeModel):
        def next_logits(self, tokens):  # type: ignore[no-untyped-def]  # as in the base class
            logits = super().next_logits(tokens)
            if tokens[0] == ord("!"):
                logits[:] = float("nan")
            return logits

    desk = Desk(Poisoned())
    desk.submit(1, request("fine", count=10))
    desk.submit(2, request("!", count=10))
    desk.step(2)
    assert isinstance(desk.errors[2], EngineFailed)
    assert isinstance(desk.broken, FloatingPointError)
    desk.scheduler.rebuilt(FakeModel())  # the row's cache may hold such numbers
    desk.run()
    assert desk.texts[1] == greedy_text("fine", 10)
