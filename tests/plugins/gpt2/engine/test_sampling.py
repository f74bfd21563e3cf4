from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from plugins.gpt2.engine.sampling import Sampler
from plugins.gpt2.language_model import Logits
from plugins.gpt2.protocol import InvalidRequest, SamplingParams

PLAIN = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, repetition_penalty=1.0, seed=7)


def logits_of(*probabilities: float) -> Logits:
    return np.log(np.array(probabilities, dtype=np.float32))


def draws(params: SamplingParams, logits: Logits, n: int = 4000) -> dict[int, float]:
    """How often each token came, one sampler drawing ``n`` times from the same logits."""
    sampler = Sampler(params)
    counts = Counter(sampler.sample(logits.copy()) for _ in range(n))
    return {token: count / n for token, count in counts.items()}


def test_temperature_zero_takes_the_likeliest_token() -> None:
    assert draws(replace(PLAIN, temperature=0.0), logits_of(0.3, 0.4, 0.3), n=20) == {1: 1.0}


def test_without_filters_tokens_come_as_often_as_the_model_says() -> None:
    shares = draws(PLAIN, logits_of(0.5, 0.3, 0.2))
    assert shares == pytest.approx({0: 0.5, 1: 0.3, 2: 0.2}, abs=0.03)


def test_temperature_sharpens_and_flattens_as_the_formula_says() -> None:
    cold = draws(replace(PLAIN, temperature=0.5), logits_of(0.6, 0.4))
    assert cold[0] == pytest.approx(0.36 / (0.36 + 0.16), abs=0.03)
    hot = draws(replace(PLAIN, temperature=2.0), logits_of(0.9, 0.1))
    assert hot[0] == pytest.approx(math.sqrt(0.9) / (math.sqrt(0.9) + math.sqrt(0.1)), abs=0.03)


def test_top_k_keeps_the_k_likeliest_in_their_proportion() -> None:
    shares = draws(replace(PLAIN, top_k=2), logits_of(0.1, 0.6, 0.1, 0.2))
    assert shares == pytest.approx({1: 0.75, 3: 0.25}, abs=0.03)


def test_top_k_beyond_the_vocabulary_changes_nothing() -> None:
    assert set(draws(replace(PLAIN, top_k=1000), logits_of(0.4, 0.3, 0.3))) == {0, 1, 2}


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    logits = logits_of(0.05, 0.5, 0.15, 0.3)
    assert set(draws(replace(PLAIN, top_p=0.75), logits)) == {1, 3}
    assert set(draws(replace(PLAIN, top_p=0.81), logits)) == {1, 2, 3}
    assert set(draws(replace(PLAIN, top_p=0.01), logits)) == {1}


def test_top_p_agrees_with_a_full_sort_on_random_logits() -> None:
    random = np.random.default_rng(0)
    for scale in (0.1, 1.0, 4.0):
        logits = (random.normal(size=5000) * scale).astype(np.float32)
        probabilities = np.exp(logits.astype(np.float64))
        probabilities /= probabilities.sum()
        order = np.argsort(-probabilities)
        nucleus = set(order[: int(np.searchsorted(np.cumsum(probabilities[order]), 0.9)) + 1].tolist())
        assert set(draws(replace(PLAIN, top_p=0.9), logits, n=500)) <= nucleus


def test_min_p_drops_what_is_far_below_the_best() -> None:
    shares = draws(replace(PLAIN, min_p=0.5), logits_of(0.5, 0.3, 0.15, 0.05))
    assert shares == pytest.approx({0: 0.625, 1: 0.375}, abs=0.03)


def test_filters_work_together() -> None:
    params = replace(PLAIN, top_k=3, top_p=0.9, min_p=0.4)
    assert set(draws(params, logits_of(0.4, 0.3, 0.2, 0.1))) == {0, 1, 2}  # of 0.9: 0.44, 0.33, 0.22
    assert set(draws(replace(params, min_p=0.6), logits_of(0.4, 0.3, 0.2, 0.1))) == {0, 1}


def test_repetition_penalty_weakens_seen_tokens_of_either_sign() -> None:
    greedy = replace(PLAIN, temperature=0.0, repetition_penalty=2.0)
    positive = np.array([3.0, 2.0], dtype=np.float32)
    assert Sampler(greedy, prompt=[0]).sample(positive.copy()) == 1
    negative = np.array([-1.0, -1.5], dtype=np.float32)
    assert Sampler(greedy, prompt=[0]).sample(negative.copy()) == 1


def test_repetition_penalty_counts_what_was_generated() -> None:
    sampler = Sampler(replace(PLAIN, temperature=0.0, repetition_penalty=2.0))
    logits = np.array([3.0, 2.0, 1.9], dtype=np.float32)
    assert [sampler.sample(logits.copy()) for _ in range(4)] == [0, 1, 2, 0]


def test_the_repetition_guard_is_on_by_default() -> None:
    assert SamplingParams().repetition_penalty > 1.0


def test_the_same_seed_draws_the_same_tokens_and_another_seed_others() -> None:
    logits = np.random.default_rng(3).normal(size=1000).astype(np.float32)

    def tokens(seed: int) -> list[int]:
        sampler = Sampler(replace(PLAIN, seed=seed))
        return [sampler.sample(logits.copy()) for _ in range(20)]

    assert tokens(5) == tokens(5)
    assert tokens(5) != tokens(6)


@pytest.mark.fresh_seeds
def test_an_open_seed_is_drawn_and_told_so_that_the_text_can_be_had_again() -> None:
    first, second = Sampler(replace(PLAIN, seed=None)), Sampler(replace(PLAIN, seed=None))
    assert first.seed != second.seed
    logits = np.random.default_rng(3).normal(size=1000).astype(np.float32)
    again = Sampler(replace(PLAIN, seed=first.seed))
    assert [first.sample(logits.copy()) for _ in range(9)] == [again.sample(logits.copy()) for _ in range(9)]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_an_error_and_never_a_token(broken: float, temperature: float) -> None:
    logits = np.array([1.0, broken, 2.0], dtype=np.float32)
    with pytest.raises(FloatingPointError):
        Sampler(replace(PLAIN, temperature=temperature)).sample(logits)


def test_a_token_that_the_model_forbids_never_comes() -> None:
    logits = np.array([0.0, -math.inf, 0.0], dtype=np.float32)
    assert set(draws(replace(PLAIN, repetition_penalty=1.5), logits, n=500)) == {0, 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": -0.1}, ["temperature", "-0.1", "0 to 2"]),
        ({"temperature": math.nan}, ["temperature", "nan"]),
        ({"top_k": -1}, ["top_k", "-1"]),
        ({"top_p": 0.0}, ["top_p", "0.01 to 1"]),
        ({"top_p": 1.5}, ["top_p", "1.5"]),
        ({"min_p": 2.0}, ["min_p", "2.0"]),
        ({"repetition_penalty": 0.5}, ["repetition_penalty", "0.5", "1 to 2"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"stop": ("",)}, ["stop", "0 characters"]),
        ({"stop": ("a",) * 5}, ["stop", "5"]),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_name_and_what_is_allowed(
    change: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Sampler(replace(PLAIN, **change))  # type: ignore[arg-type]  # the point is to pass anything
    assert all(word in str(refusal.value) for word in words)


def test_a_draw_from_gpt2s_vocabulary_takes_a_fraction_of_a_step() -> None:
    random = np.random.default_rng(0)
    logits = (random.normal(size=50257) * 3).astype(np.float32)
    sampler = Sampler(SamplingParams(top_k=0, seed=1), prompt=range(500))
    copies = [logits.copy() for _ in range(20)]
    begun = time.thread_time()
    for copy in copies:
        sampler.sample(copy)
    assert (time.thread_time() - begun) / len(copies) < 0.010  # about 0.7 ms; the room is for a slow, busy machine


def test_a_twin_draws_what_its_sampler_will_and_disturbs_nothing() -> None:
    rng = np.random.default_rng(5)
    steps = [rng.normal(size=50).astype(np.float32) for _ in range(6)]
    sampler, alone = (Sampler(SamplingParams(seed=9), [1, 2]) for _ in range(2))
    for at in range(3):
        twin = sampler.twin()
        ahead = [twin.sample(logits.copy()) for logits in steps[at : at + 3]]
        drawn = sampler.sample(steps[at].copy())
        assert drawn == ahead[0] == alone.sample(steps[at].copy())
    rest = [sampler.sample(logits.copy()) for logits in steps[3:]]
    assert rest[:2] == ahead[1:]
