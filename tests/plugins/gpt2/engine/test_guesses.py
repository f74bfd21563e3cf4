"""Guessing the next tokens saves steps, and changes no text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from plugins.gpt2.language_model import Logits
from plugins.gpt2.protocol import SamplingParams
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


class Dice(FakeModel):
    """Says a, b or c by chance, whatever it reads: every ending has come up before, and guesses are often right."""

    LIKELY: ClassVar[dict[str, float]] = {"a": 0.7, "b": 0.2, "c": 0.1}

    def next_logits(self, tokens: Sequence[int]) -> Logits:
        logits = np.full(257, -np.inf, np.float32)
        for letter, share in self.LIKELY.items():
            logits[ord(letter)] = np.log(share)
        return logits


def test_guessing_leaves_the_distribution_as_it_is() -> None:
    """With seeds of their own, so that this is about chances and not about the same text."""
    counts: list[Counter[str]] = []
    for draft_slots, seeds in ((1, range(150)), (4, range(150, 300))):
        pairs: Counter[str] = Counter()
        extended = 0
        for seed in seeds:
            desk = Desk(Dice(draft_slots=draft_slots, context=256))
            desk.submit(1, request("aaabaacaab", 60, sampled(seed)))
            desk.run()
            text = desk.texts[1]
            pairs.update(text[at : at + 2] for at in range(0, 60, 2))
            extended += sum(kind == "extend" for kind, _ in desk.model.steps)
        assert (extended > 1000) == (draft_slots > 1)
        counts.append(pairs)
    for pairs in counts:
        total = sum(pairs.values())
        surprise = sum(
            (pairs[one + two] - total * p * q) ** 2 / (total * p * q)
            for one, p in Dice.LIKELY.items()
            for two, q in Dice.LIKELY.items()
        )
        assert surprise < 26.1  # chi squared of 8 degrees, 1 in 1000


@pytest.mark.parametrize(("sampling", "quiet"), [(GREEDY, False), (sampled(1), True)])
def test_a_text_whose_tokens_are_drawn_is_looked_at_rarely(sampling: SamplingParams, quiet: bool) -> None:
    desk = Desk(FakeModel(draft_slots=4, context=256))
    desk.submit(1, request("The hen", 60, sampling))
    desk.step()
    [sequence] = desk.scheduler._sequences.values()
    assert sequence.lookup.quiet is quiet


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
