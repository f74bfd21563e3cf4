"""Guessing the next tokens saves steps, and changes no text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plugins.gpt2.engine.desk import Desk
from tests.plugins.gpt2.fake_model import GREEDY, FakeModel, ScriptedModel, request, sampled


def test_a_text_that_repeats_itself_takes_fewer_steps_and_stays_the_same() -> None:
    texts, steps = [], []
    for draft_slots in (1, 4):
        desk = Desk(ScriptedModel("the hen and the fox. ", draft_slots=draft_slots, context=256))
        desk.submit(1, request("the hen and the fox. ", 150))
        desk.run()
        texts.append(desk.texts[1])
        steps.append(len(desk.model.steps))
    assert texts[0] == texts[1]
    assert len(texts[0]) == 150
    assert steps[1] < 0.5 * steps[0]


@pytest.mark.parametrize("seed", range(5))
def test_guessing_never_changes_a_sampled_text(seed: int) -> None:
    """The fake model's letters are drawn at random, so most guesses are wrong, some right."""
    texts = []
    for draft_slots in (1, 4):
        desk = Desk(FakeModel(draft_slots=draft_slots, context=256))
        desk.submit(1, request("abcabcabcabc", 60, sampled(seed)))
        desk.run()
        texts.append(desk.texts[1])
    assert texts[0] == texts[1]


def test_a_guess_reaches_neither_beyond_the_count_nor_the_context() -> None:
    desk = Desk(ScriptedModel("abcd", context=30))
    desk.submit(1, request("abcdabcdabcd", 6))
    desk.submit(2, request("abcdabcdabcd", 100))
    desk.run()
    assert desk.finished[1].timing.new_tokens == 6
    assert desk.finished[2].reason == "context"


def test_a_stop_string_inside_a_right_guess_ends_the_text_before_it() -> None:
    desk = Desk(ScriptedModel("one two. ", context=128))
    desk.submit(1, request("one two. one two. ", 40, replace(GREEDY, stop=("wo. one two. on",))))
    desk.run()
    assert desk.texts[1] == "one t"
    assert desk.finished[1].reason == "stop"
