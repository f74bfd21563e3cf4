"""What rows of the KV cache are trusted to hold: as much as was read into them, and none of it twice."""

from __future__ import annotations

from plugins.gpt2.engine.scheduler import Scheduler
from plugins.gpt2.protocol import Text
from tests.plugins.gpt2.fake_model import FakeModel, ScriptedModel, greedy_text, request


def finish(scheduler: Scheduler) -> dict[int, str]:
    texts: dict[int, str] = {}
    while scheduler.busy:
        for key, outcome in scheduler.step().outcomes:
            if isinstance(outcome, Text):
                texts[key] = texts.get(key, "") + outcome.piece
    return texts


def prefilled(model: FakeModel) -> int:
    return sum(size for kind, size in model.steps if kind == "prefill")


def test_a_prompt_whose_reading_was_cut_short_is_read_on_from_there() -> None:
    prompt = "a prompt that takes several slices to read"
    model = FakeModel(rows=1, prefill_slice=8)
    scheduler = Scheduler(model, clock=lambda: 0.0)
    scheduler.submit(1, request(prompt), submitted=0.0)
    scheduler.step()
    scheduler.step()
    scheduler.cancel(1)
    scheduler.submit(2, request(prompt), submitted=0.0)
    assert finish(scheduler)[2] == greedy_text(prompt, 10)
    assert prefilled(model) == len(prompt)


def test_what_was_guessed_right_is_not_read_once_more() -> None:
    model = ScriptedModel("the hen and the fox. ", context=256)
    scheduler = Scheduler(model, clock=lambda: 0.0)
    scheduler.submit(1, request("the hen and the fox. ", count=150), submitted=0.0)
    assert len(finish(scheduler)[1]) == 150
    assert any(kind == "extend" for kind, _ in model.steps)
    assert prefilled(model) == len("the hen and the fox. ")
