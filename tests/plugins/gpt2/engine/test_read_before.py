"""What a row has read already is not read again."""

from __future__ import annotations

from tests.plugins.gpt2.engine.desk import Desk
from tests.plugins.gpt2.fake_model import FakeModel, greedy_text, request


def prefilled(desk: Desk) -> int:
    return sum(size for kind, size in desk.model.steps if kind == "prefill")


def test_an_opening_that_was_read_before_is_not_read_again() -> None:
    desk = Desk()
    desk.submit(1, request("once upon a time there was a fox"))
    desk.run()
    before = prefilled(desk)
    desk.submit(2, request("once upon a time there was a hen"))
    desk.run()
    assert prefilled(desk) - before == len("hen")
    assert desk.texts[2] == greedy_text("once upon a time there was a hen", 10)


def test_what_a_text_wrote_counts_as_read_when_it_goes_on() -> None:
    desk = Desk()
    desk.submit(1, request("the fox"))
    desk.run()
    before = prefilled(desk)
    desk.submit(2, request("the fox" + desk.texts[1]))
    desk.run()
    assert prefilled(desk) - before == 1
    assert desk.texts[2] == greedy_text("the fox" + desk.texts[1], 10)


def test_the_same_prompt_twice_at_once_uses_two_rows() -> None:
    desk = Desk()
    for key in (1, 2):
        desk.submit(key, request("twins"))
    desk.run()
    assert desk.texts[1] == desk.texts[2] == greedy_text("twins", 10)


def test_a_rebuilt_model_is_not_believed_to_know_anything() -> None:
    desk = Desk()
    desk.submit(1, request("once upon a time"))
    desk.run()
    desk.model = FakeModel()
    desk.scheduler.rebuilt(desk.model)
    desk.submit(2, request("once upon a time"))
    desk.run()
    assert desk.texts[2] == desk.texts[1]
