"""What a training takes, and how it is fitted into a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.gpt2.model.constants import OFFICIAL_CONFIGS, GPT2Config
from plugins.gpt2.training.plan import (
    DoesNotFit,
    Method,
    Need,
    Plan,
    Sizes,
    check_disk,
    fit,
    learning_rate,
    settled_at,
)

MINI = GPT2Config(6, 5, 320, 512, 8192, 1280, end_of_text=8191)
GPT2, MEDIUM = OFFICIAL_CONFIGS["gpt2"], OFFICIAL_CONFIGS["gpt2-medium"]
HOURS = 3600.0


def sizes(
    config: GPT2Config = MINI,
    *,
    method: Method | None = None,
    batch: int | None = None,
    seconds: float = HOURS,
    shortest: int = 100_000,
    tokens: int = 10_000_000,
    new: bool = False,
    free: int | None = None,
    flops: float = 100e9,
) -> Sizes:
    def need(method: Method, rows: int, context: int) -> Need:
        return Need((4 if method == "full" else 1) * config.parameters + rows * context * 1000, 6 * config.parameters)

    return fit(
        config,
        need,
        method=method,
        batch=batch,
        seconds=seconds,
        shortest=shortest,
        tokens=tokens,
        new=new,
        free=free,
        flops=flops,
    )


def test_small_models_are_trained_in_full_and_large_ones_by_small_matrices() -> None:
    assert (sizes(MINI).method, sizes(GPT2).method, sizes(MEDIUM).method) == ("full", "full", "lora")
    assert sizes(MEDIUM, method="full").method == "full"


def test_a_step_reads_less_where_there_would_be_few_of_them() -> None:
    fast, slow = sizes(), sizes(GPT2, seconds=600)
    assert (fast.batch, fast.context) == (8, 512)
    assert (slow.batch, slow.context) == (1, 512)
    assert sizes(seconds=60, flops=1e9).batch * sizes(seconds=60, flops=1e9).context == 512


def test_a_step_reads_less_of_few_texts_unless_they_are_read_often_anyway() -> None:
    book = 79_714
    assert sizes(tokens=book).batch == 2
    assert sizes(tokens=book // 10).batch == 2
    assert sizes(tokens=book // 10, seconds=60, flops=1e9).batch == 1
    assert sizes(tokens=book, new=True).batch == sizes(tokens=book, method="lora").batch == 8


def test_little_text_makes_the_context_short() -> None:
    assert sizes(shortest=130).context == 129
    assert sizes(shortest=65).context == 64


def test_the_batch_shrinks_until_it_fits_and_what_does_not_is_told_with_the_cure() -> None:
    least = 4 * MINI.parameters
    assert sizes(free=least + 2_100_000).batch == 4
    with pytest.raises(DoesNotFit, match=r"--batch 1 takes"):
        sizes(batch=8, free=least + 600_000)
    with pytest.raises(DoesNotFit, match=r"--method lora takes"):
        sizes(free=2 * MINI.parameters)
    with pytest.raises(DoesNotFit, match=r"train a smaller model"):
        sizes(free=1000)


def test_the_disk_holds_two_states_and_the_result() -> None:
    check_disk(Path(), MINI, 1000, 400_000_000)
    with pytest.raises(DoesNotFit, match=r"takes 347 MB of disk, and 300 MB are free"):
        check_disk(Path(), MINI, 1_000_000, 300_000_000)


def test_larger_models_learn_more_slowly() -> None:
    assert learning_rate(MINI, "full", new=False) == pytest.approx(3e-4, rel=0.03)
    assert learning_rate(GPT2, "full", new=False) == pytest.approx(8.5e-5, rel=0.03)
    assert learning_rate(MINI, "full", new=True) == pytest.approx(1.5e-3, rel=0.03)


def test_a_model_that_is_there_settles_after_three_passes_and_a_new_one_when_its_time_is_over() -> None:
    def at(source: str, method: Method, tokens: int = 79_714) -> int | None:
        return settled_at(Plan("a", source, "b", {}, False, method, 4, 512, 20.0, 3e-4, 1), tokens)

    assert at("townhall-mini", "full") == 116
    assert at("townhall-mini", "full", 600) == 1
    assert at("gpt2-medium", "lora") is None
    assert at("", "full") is None
