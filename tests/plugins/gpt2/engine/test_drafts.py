"""A draft model guesses, the large one decides: fewer steps of the large one, and the texts are its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.engine.draft_model import DraftModel
from plugins.gpt2.engine.draft_trust import DraftTrust
from plugins.gpt2.engine.guess_cost import RENEWED, GuessCost
from plugins.gpt2.engine.sampling import Sampler
from plugins.gpt2.language_model import Logits
from plugins.gpt2.protocol import SamplingParams
from tests.plugins.gpt2.engine.desk import Desk
from tests.plugins.gpt2.fake_model import GREEDY, FakeModel, ScriptedModel, greedy_text, request, sampled

CONTEXT = 256


class Letters(FakeModel):
    """Says a, b or c by chances that depend on the letter before; ``blur`` mixes them with others, as a draft would."""

    CHANCES = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.4, 0.4, 0.2]])

    def __init__(self, blur: float = 0.0, **shape: Any) -> None:
        super().__init__(context=CONTEXT, **shape)
        self.blur = blur

    def next_logits(self, tokens: Sequence[int]) -> Logits:
        logits = np.full(257, -np.inf, np.float32)
        chances = self.CHANCES[tokens[-1] - ord("a")]
        logits[ord("a") : ord("d")] = np.log((1 - self.blur) * chances + self.blur * np.array([0.1, 0.1, 0.8]))
        return logits


class Watch:
    """A clock by which a step of a model takes a second, and one of its draft a tenth of that."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now

    def measure(self, model: FakeModel, draft: FakeModel) -> None:
        model.draft = draft
        model.before_step = lambda kind: self._pass(1.2 if kind == "extend" else 1.0)
        draft.before_step = lambda kind: self._pass(0.1)

    def _pass(self, seconds: float) -> None:
        self.now += seconds


def drafted(model: FakeModel, draft: FakeModel, watch: Watch | None = None) -> Desk:
    watch = watch or Watch()
    watch.measure(model, draft)
    return Desk(model, watch)


def kinds(model: FakeModel) -> Counter[str]:
    return Counter(kind for kind, _ in model.steps)


def test_a_draft_that_is_right_saves_most_of_the_large_models_steps() -> None:
    desk = drafted(FakeModel(context=CONTEXT), FakeModel(rows=1, context=CONTEXT))
    desk.submit(1, request("abcdefgh", 120))
    desk.run()
    assert desk.texts[1] == greedy_text_of(120)
    steps = kinds(desk.model)
    assert steps["extend"] + steps["decode"] < 40
    assert steps["decode"] >= 2  # what one costs is measured now and then


def greedy_text_of(count: int) -> str:
    desk = Desk(FakeModel(context=CONTEXT))
    desk.submit(1, request("abcdefgh", count))
    desk.run()
    return desk.texts[1]


def test_a_draft_that_is_always_wrong_changes_nothing_and_is_soon_left_alone() -> None:
    desk = drafted(FakeModel(context=CONTEXT), ScriptedModel("?", rows=1, context=CONTEXT))
    desk.submit(1, request("abcdefgh", 120))
    desk.run()
    assert desk.texts[1] == greedy_text_of(120)
    assert kinds(desk.model)["extend"] < 20


@pytest.mark.parametrize("params", [sampled(0), replace(sampled(0), top_p=0.8), replace(sampled(0), top_k=2)])
@pytest.mark.parametrize("blur", [0.0, 0.3, 0.9])
def test_the_same_seed_gives_the_same_text_whatever_the_draft_says(blur: float, params: SamplingParams) -> None:
    for seed in range(4):
        texts = []
        for draft in (None, Letters(blur, rows=1)):
            model = Letters()
            model.draft = draft
            desk = Desk(model)
            desk.submit(1, request("abcab", 60, replace(params, seed=seed)))
            desk.run()
            texts.append(desk.texts[1])
        assert texts[0] == texts[1]


def test_a_draft_leaves_the_distribution_as_it_is() -> None:
    """Seeds of its own, so that this is about chances: each letter follows each other as often as the model says."""
    follows: Counter[tuple[str, str]] = Counter()
    extended = 0
    for seed in range(150):
        desk = drafted(Letters(), Letters(0.3, rows=1))
        desk.submit(1, request("abcab", 60, sampled(1000 + seed)))
        desk.run()
        follows.update(zip("b" + desk.texts[1], desk.texts[1], strict=False))
        extended += kinds(desk.model)["extend"]
    assert extended > 1000
    for row, before in enumerate("abc"):
        total = sum(follows[before, after] for after in "abc")
        expected = [total * share for share in Letters.CHANCES[row]]
        surprise = sum((follows[before, after] - e) ** 2 / e for after, e in zip("abc", expected, strict=True))
        assert surprise < 13.8  # chi squared of 2 degrees, 1 in 1000


def test_the_nearer_the_draft_the_more_of_its_guesses_count() -> None:
    steps = []
    for blur in (0.0, 0.2, 0.9):
        desk = drafted(Letters(), Letters(blur, rows=1))
        for seed in range(5):
            desk.submit(seed, request("abcab", 100, sampled(seed)))
            desk.run()
        steps.append(len(desk.model.steps))
    assert steps == sorted(steps)
    assert steps[0] < 0.4 * 500


def test_a_draft_reads_a_long_prompt_in_slices_and_changes_texts() -> None:
    desk = drafted(FakeModel(context=CONTEXT), FakeModel(rows=1, context=CONTEXT))
    prompt = "the quick brown fox jumps over the lazy dog and goes on"
    desk.submit(1, request(prompt, 40))
    desk.step(24)
    desk.submit(2, request("another text", 30))
    desk.run()
    assert desk.texts[1] == alone(prompt, 40)
    assert desk.texts[2] == alone("another text", 30)
    assert kinds(desk.model)["extend"] > 5


def alone(prompt: str, count: int) -> str:
    desk = Desk(FakeModel(context=CONTEXT))
    desk.submit(1, request(prompt, count))
    desk.run()
    return desk.texts[1]


def test_nothing_is_guessed_beyond_the_drafts_context() -> None:
    desk = drafted(FakeModel(context=CONTEXT), FakeModel(rows=1, context=30))
    desk.submit(1, request("abcdefgh", 60))
    desk.run()
    assert desk.texts[1] == greedy_text_of(60)
    assert 0 < kinds(desk.model)["extend"] < 10


def test_a_rebuilt_model_brings_a_draft_that_knows_nothing() -> None:
    watch, fresh = Watch(), FakeModel(context=CONTEXT)
    desk = drafted(FakeModel(context=CONTEXT), FakeModel(rows=1, context=CONTEXT), watch)
    desk.submit(1, request("abcdefgh", 60))
    desk.step(12)
    watch.measure(fresh, FakeModel(rows=1, context=CONTEXT))
    desk.scheduler.rebuilt(fresh)
    desk.run()
    assert desk.texts[1] == greedy_text_of(60)
    assert kinds(fresh)["extend"] > 2


def test_a_draft_costs_what_guessing_and_checking_take() -> None:
    cost = GuessCost()
    assert cost.wants_single
    assert 0 == cost.of_draft(0, 0) < cost.of_draft(1, 0) < cost.of_draft(1, 1) < cost.of_draft(3, 3)
    cost.drafted(3, 0.006)
    cost.checked(2, 0.014)
    cost.single(0.010)
    cost.compare()
    assert cost.of_draft(3, 2) == pytest.approx(1.0)
    assert cost.of_draft(1, 0) == pytest.approx(0.2)
    assert not cost.wants_single
    for _ in range(RENEWED):
        cost.checked(2, 0.014)
    assert cost.wants_single


def test_a_draft_is_believed_as_it_was_right_when_it_was_so_sure() -> None:
    trust = DraftTrust()
    assert trust.of(0.8) > trust.of(0.15) > 0.2
    for _ in range(60):
        trust.learn([0.8, 0.8, 0.15, 0.4], 2)
    assert trust.of(0.85) > 0.95
    assert trust.of(0.12) < 0.1
    assert trust.of(0.4) == DraftTrust().of(0.4), "what came behind a wrong guess was never checked"


class Unsure(FakeModel):
    """Unsure of every third token."""

    def next_logits(self, tokens: Sequence[int]) -> Logits:
        return super().next_logits(tokens) * (0.1 if len(tokens) % 3 == 0 else 1000)


def test_a_guess_is_as_long_as_it_promises_to_pay() -> None:
    draft, sampler, cost = DraftModel(Unsure(rows=1)), Sampler(GREEDY), GuessCost()
    cost.single(1.0)
    cost.drafted(3, 0.3)
    cost.checked(1, 1.1)
    tokens = list(b"abcdefg")
    assert len(draft.propose(tokens, sampler, 3, cost) or []) == 3
    for _ in range(50):
        draft.learn(sampler, 2, 3)
    assert len(draft.propose(tokens, sampler, 3, cost) or []) == 2
    assert draft.propose(list(b"abcdef"), sampler, 3, cost) == []
    assert draft.propose(list(b"the draft reads a slice of this first"), sampler, 3, cost) is None


def test_a_short_greedy_text_is_the_models_own() -> None:
    desk = drafted(FakeModel(), FakeModel(rows=1))
    desk.submit(1, request("Hello", 9))
    desk.run()
    assert desk.texts[1] == greedy_text("Hello", 9)
