"""Training does what torch does: ``tools/training_reference.py`` made the reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.model.constants import OFFICIAL_CONFIGS
from plugins.gpt2.model.target import compiler

compiler.use()

from plugins.gpt2.training.trainer import Cosine, Method, Recipe, Trainer, estimate  # noqa: E402 - imports tinygrad
from tools.training_reference import (  # noqa: E402 - as above
    BATCH,
    BETAS,
    CLIP,
    CONFIG,
    CONTEXT,
    DECAY,
    EPSILON,
    LOWEST,
    RATE,
    STEPS,
    WARM_UP,
    batches,
    small,
)

REFERENCE = Path(__file__).with_name("reference.npz")
RECIPE = Recipe(*BETAS, EPSILON, DECAY, CLIP)


def trainer(method: Method = "full", **changed: Any) -> Trainer:
    given: dict[str, Any] = {
        "batch": BATCH,
        "context": CONTEXT,
        "schedule": Cosine(RATE, STEPS, WARM_UP, LOWEST),
        "seed": 1,
        "recipe": RECIPE,
        "threads": 2,
    }
    config = changed.pop("config", CONFIG)
    return Trainer(config, small(config), method=method, **(given | changed))


def off(one: Any, other: Any) -> float:
    """Return the largest difference as a share of the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def check_against_torch(made: Trainer) -> None:
    with np.load(REFERENCE) as reference:
        first = made.step(batches()[0])
        gradients = made.gradients()
        assert {name: off(values, reference[name]) for name, values in gradients.items()} == {
            name: pytest.approx(0, abs=1e-4) for name in small()
        }
        losses = [first.loss, *(made.step(tokens).loss for tokens in batches()[1:])]
        np.testing.assert_allclose(losses, reference["losses"], atol=1e-3)
        assert first.gradient_norm == pytest.approx(reference["norms"][0], rel=1e-4)


def test_gradients_and_fifty_steps_are_those_of_torch() -> None:
    check_against_torch(trainer())


@pytest.mark.skipif(not compiler.multiplies_bf16(), reason="this processor has no AVX512_BF16")
@pytest.mark.parametrize("method", ["full", "lora"])
def test_products_of_bf16_learn_as_those_of_fp32(method: Method) -> None:
    """An operand is off by 2^-9 at most, and a gradient comes of some ten of them."""
    narrow, whole = trainer(method, precision="bf16"), trainer(method)
    first, exact = narrow.step(batches()[0]), whole.step(batches()[0])
    assert first.gradient_norm == pytest.approx(exact.gradient_norm, rel=2**-9)
    gradients = whole.gradients()
    for name, values in narrow.gradients().items():
        if gradients[name].any():  # LoRA's first matrices have none before the second ones are something
            assert off(values, gradients[name]) < 10 * 2**-9, name
    losses = [
        [first.loss, exact.loss],
        *([made.step(tokens).loss for made in (narrow, whole)] for tokens in batches()[1:]),
    ]
    found, expected = np.transpose(losses)
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert losses[-1][0] < losses[0][0] - 0.5


@pytest.mark.slow
def test_tinygrads_own_kernels_do_the_same() -> None:
    check_against_torch(trainer(plain=True))


def test_a_state_goes_on_where_it_was() -> None:
    one, other = trainer(), trainer()
    for tokens in batches()[:3]:
        one.step(tokens)
    other.load_state(one.state())
    assert other.step(batches()[3]) == one.step(batches()[3])
    assert {name: off(values, one.weights()[name]) for name, values in other.weights().items()} == dict.fromkeys(
        small(), 0
    )


@pytest.mark.slow
def test_a_batch_in_parts_has_the_gradients_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.gpt2.training.network.estimate.TOKENS_AT_ONCE", CONTEXT)
    parts = trainer()
    with np.load(REFERENCE) as whole:
        for step in range(2):  # the second begins with the sums of the first in its place
            found = parts.step(batches()[step])
            assert (found.loss, found.gradient_norm) == pytest.approx(
                (whole["losses"][step], whole["norms"][step]), rel=1e-4
            )
            if step == 0:
                for name, values in parts.gradients().items():
                    assert off(values / BATCH, whole[name]) < 1e-4


@pytest.mark.slow
def test_a_head_of_its_own_is_trained() -> None:
    config = replace(CONFIG, tied_head=False)
    ours, plain = trainer(config=config), trainer(config=config, plain=True)
    assert ours.step(batches()[0]).gradient_norm == pytest.approx(plain.step(batches()[0]).gradient_norm, rel=1e-5)
    for name, values in ours.gradients().items():
        assert off(values, plain.gradients()[name]) < 1e-4


def test_lora_trains_little_and_is_merged() -> None:
    made = trainer("lora", recipe=replace(RECIPE, decay=0.0), schedule=Cosine(1e-2, STEPS, WARM_UP))
    before = made.loss(batches()[0])
    for tokens in batches():
        made.step(tokens)
    after = made.loss(batches()[0])
    assert after < before - 0.5
    merged = made.weights()
    assert merged.keys() == small().keys()
    for name, values in small().items():  # what is not in a pair is as it was
        assert np.array_equal(merged[name], values) == (
            ("attn.c_" not in name and "mlp.c_" not in name) or "bias" in name
        )
    whole = Trainer(
        CONFIG, merged, method="full", batch=BATCH, context=CONTEXT, schedule=Cosine(0, 1), seed=1, threads=2
    )
    assert whole.loss(batches()[0]) == pytest.approx(after, abs=1e-4)


def test_another_models_tensors_and_tokens_are_refused() -> None:
    made = trainer()
    with pytest.raises(ValueError, match="this trainer takes"):
        made.step(batches()[0][:, :-1])
    with pytest.raises(ValueError, match="the model has 53"):
        made.loss(batches()[0] + 53)
    with pytest.raises(KeyError, match=r"wte\.weight"):
        made.load_state({})
    with pytest.raises(ValueError, match="takes 1 to 11"):
        trainer(context=12)


def test_the_estimate_grows_with_what_is_trained() -> None:
    medium = OFFICIAL_CONFIGS["gpt2-medium"]
    full, lora = estimate(medium, "full", 1, 512), estimate(medium, "lora", 1, 512)
    assert lora.memory_bytes < full.memory_bytes / 2
    assert lora.flops_per_token < full.flops_per_token
    assert estimate(medium, "full", 2, 512).memory_bytes > full.memory_bytes
