"""What is drawn in C is what NumPy draws, with the same numbers; a draft's guess in one call is that of its steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.engine.draft_model import DraftModel
from plugins.gpt2.engine.guess_cost import GuessCost
from plugins.gpt2.engine.sampling import Sampler
from plugins.gpt2.model.cpu.drawing import Drawer
from plugins.gpt2.model.cpu.guessing import Guesser
from plugins.gpt2.model.cpu.step_cache import TableStep
from plugins.gpt2.model.gpt2 import GPT2, load
from plugins.gpt2.protocol import SamplingParams
from tools.random_checkpoint import RECIPES, write_checkpoint

PLAIN = SamplingParams(temperature=1.0, top_p=1.0, repetition_penalty=1.0, seed=7)
FILTERS = (
    SamplingParams(seed=7),
    PLAIN,
    replace(PLAIN, temperature=0.0),
    replace(PLAIN, temperature=0.0, repetition_penalty=1.3),
    replace(PLAIN, top_k=1),
    replace(PLAIN, top_k=40),
    replace(PLAIN, top_k=40, top_p=0.5, min_p=0.01),
    replace(PLAIN, top_p=0.01),
    replace(PLAIN, top_p=0.999),
    replace(PLAIN, min_p=0.05),
    replace(PLAIN, temperature=0.7, min_p=0.005, repetition_penalty=1.2),
    replace(PLAIN, temperature=0.0, min_p=0.005),
    replace(PLAIN, temperature=2.0, top_p=0.9, repetition_penalty=2.0),
)


@pytest.mark.parametrize("params", FILTERS)
@pytest.mark.parametrize("size", [1, 15, 64, 257, 5000])
def test_the_same_token_is_drawn_as_surely(size: int, params: SamplingParams) -> None:
    rng = np.random.default_rng(size)
    prompt = rng.integers(0, size, 30).tolist()
    ours, numpys = Sampler(params, prompt, Drawer(size)), Sampler(params, prompt)
    spreads = (0.01, 0.5, 1.0, 3.0, 10.0) if params.top_k else (0.0, 0.01, 0.5, 1.0, 3.0, 10.0)
    for spread in spreads * 5:  # which of equals are the first k is anybody's choice
        logits = (rng.normal(size=size) * spread).astype(np.float32)
        expected, found = (sampler.guess(logits.copy()) for sampler in (numpys, ours))
        assert found[0] == expected[0]
        assert found[1] == pytest.approx(expected[1], rel=1e-3)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("at", [0, 17, 19])
@pytest.mark.parametrize("params", [PLAIN, replace(PLAIN, temperature=0.0)])
def test_logits_that_are_not_finite_are_an_error(params: SamplingParams, at: int, broken: float) -> None:
    logits = np.zeros(20, np.float32)
    logits[at] = broken
    with pytest.raises(FloatingPointError):
        Sampler(params, (), Drawer(20)).sample(logits)
    with pytest.raises(FloatingPointError):
        Sampler(params, (), Drawer(20)).sample(np.full(20, -math.inf, np.float32))


@pytest.mark.parametrize("params", FILTERS[:6])
def test_a_token_that_the_model_forbids_never_comes(params: SamplingParams) -> None:
    sampler = Sampler(params, (), Drawer(40))
    for _ in range(200):
        logits = np.full(40, -math.inf, np.float32)
        logits[[3, 37]] = 0.5
        assert sampler.sample(logits) in (3, 37)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GPT2, GPT2]]:
    """A model and its draft."""
    folder: Path = tmp_path_factory.mktemp("models")
    for name in ("five-heads", "three-heads"):
        write_checkpoint(folder / name, RECIPES[name].config, RECIPES[name].seed)
    with open_checkpoint(str(folder / "five-heads")) as large, open_checkpoint(str(folder / "three-heads")) as draft:
        model = load(large, rows=1, threads=2, draft=draft)
    assert model.draft is not None
    yield model, model.draft
    model.close()


@pytest.mark.parametrize("params", FILTERS[:4])
def test_a_guess_in_one_call_is_the_guess_of_as_many_steps(
    small: tuple[GPT2, GPT2], params: SamplingParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, draft = small
    step, guessing = draft._step(1, 1), draft.guessing
    assert isinstance(step, TableStep)
    monkeypatch.setattr("plugins.gpt2.model.cpu.guessing.SHARE", 1.0)
    whole = Guesser(step, draft.info.vocab_size, draft.info.parameters)
    tokens = [5, 6, 7, 5, 6]
    for turn in range(20):
        found = []
        for draft.guessing in (whole, None):
            sampler, cost = Sampler(replace(params, seed=turn), tokens, draft.drawing), GuessCost()
            drafting = DraftModel(draft)
            cost.of_guesses[:] = 0.0
            for trust in drafting._trust.values():
                trust.believed[:] = 1.0
            drafting.propose(tokens[:-2], sampler, 3, cost)
            found.append((drafting.propose(tokens, sampler, 3, cost), drafting.propose(tokens, sampler, 3, cost)))
        assert found[0] == found[1]
        assert found[0][0] == found[0][1]
        assert len(found[0][0] or ()) == 3
        tokens.append((tokens[-1] * 7 + turn) % 200)
    draft.guessing = guessing


def test_a_guess_is_of_the_first_part_of_the_vocabulary(small: tuple[GPT2, GPT2]) -> None:
    _, draft = small
    said = set[int]()
    for first in range(0, 250, 5):
        drafting, sampler = DraftModel(draft), Sampler(replace(PLAIN, seed=first), [first], draft.drawing)
        said.update(drafting.propose([first], sampler, 3, GuessCost()) or ())
    assert len(said) > 5
    assert max(said) < 192  # three of its five blocks


def test_what_a_guess_says_leaves_the_seen_tokens_as_they_were(small: tuple[GPT2, GPT2]) -> None:
    _, draft = small
    sampler = Sampler(SamplingParams(seed=1), [5, 6, 7], draft.drawing)
    DraftModel(draft).propose([5, 6, 7], sampler, 3, GuessCost())
    assert sorted(sampler.seen.ids.tolist()) == [5, 6, 7]


@pytest.mark.parametrize("compiled", [True, False])
def test_logits_of_a_draft_that_are_not_finite_are_an_error(
    small: tuple[GPT2, GPT2], compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, draft = small
    step = draft._step(1, 1)
    assert isinstance(step, TableStep)
    idle = step.table.copy()
    idle[:, 1] = 0  # no launch does anything: what was in the logits stays
    step.logits[:] = math.nan
    guessing = Guesser(step, draft.info.vocab_size, draft.info.parameters)
    guessing.table[:] = idle
    monkeypatch.setattr(step, "table", idle)
    monkeypatch.setattr(draft, "guessing", guessing if compiled else None)
    with pytest.raises(FloatingPointError):
        DraftModel(draft).propose([5], Sampler(PLAIN, [5], draft.drawing), 3, GuessCost())
