"""Narrowed weights are the nearest ones there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.model.constants import FLOORS
from plugins.gpt2.model.layout import NATIVE
from plugins.gpt2.model.packing import narrow, pack, quantise, quantise_groups
from tools.random_checkpoint import RECIPES, write_checkpoint


def test_what_rows_of_bytes_are_raised_by_is_taken_off_again(tmp_path: Path) -> None:
    """A feed-forward network's second product of a row that is zero everywhere is its bias: the floor is nobody's."""
    recipe = RECIPES["five-heads"]
    folder, module = write_checkpoint(tmp_path, recipe.config, recipe.seed), "h.1.mlp.c_proj"
    with open_checkpoint(str(folder), local_only=True) as checkpoint:
        bias = checkpoint.tensors[f"{module}.bias"].numpy()
        arrays = {part.name: array for part, array in pack(checkpoint, "int8", replace(NATIVE, depth=2))}
        as_they_are = {part.name: array for part, array in pack(checkpoint, "int8", NATIVE)}
    raised = np.full(recipe.config.n_inner, FLOORS["gelu_new"]) @ _whole(arrays, module)
    width = recipe.config.n_embd
    np.testing.assert_allclose((raised + arrays[f"{module}.bias"].ravel())[:width], bias, atol=1e-4)
    np.testing.assert_array_equal(as_they_are[f"{module}.bias"].ravel()[:width], bias)  # where rows are fp32


def _whole(arrays: dict[str, Any], module: str) -> Any:
    """(K, N) of interleaved int8 weights."""
    stored, scale = arrays[f"{module}.weight"], arrays[f"{module}.scale"]
    deep = stored.reshape(len(stored), -1, 64, 2).transpose(1, 3, 0, 2).reshape(-1, len(stored) * 64)
    return deep.astype(np.float64) * scale.ravel()


def bf16(*values: float) -> list[float]:
    bits = narrow(np.array(values, np.float32), "bf16")
    widened = (bits.astype(np.uint32) << 16).view(np.float32)
    return [float(value) for value in widened]


@pytest.mark.parametrize("seed", range(3))
def test_eight_bits_are_never_off_by_more_than_half_a_step(seed: int) -> None:
    packed = np.random.default_rng(seed).normal(size=(2, 48, 64)).astype(np.float32)
    values, scale = quantise(packed)
    steps_off = np.abs(values - packed / scale[:, None, :])
    assert steps_off.max() <= 0.5 + 1e-4
    assert np.abs(values.astype(int)).max(axis=1).min() == 127  # each column uses the whole range


def test_a_column_of_zeros_stays_zero() -> None:
    values, scale = quantise(np.zeros((1, 4, 64), np.float32))
    assert not values.any()
    assert np.isfinite(scale).all()


def restored(values: Any, steps: Any, scale: Any) -> Any:
    return values.astype(np.float32) * np.repeat(steps, 32, axis=1) * scale[:, None]


@pytest.mark.parametrize("seed", range(3))
def test_four_bits_take_steps_that_fit_each_group(seed: int) -> None:
    packed = np.random.default_rng(seed).normal(size=(2, 96, 64)).astype(np.float32)
    packed[:, 32:64] *= 30  # its neighbours lose nothing by it
    values, steps, scale = quantise_groups(packed)
    assert (values.min(), values.max()) == (-8, 7)
    off = np.square(restored(values, steps, scale) - packed).reshape(2, 3, 32, 64).mean(axis=(0, 2, 3))
    assert off[0] < 0.014 > off[2]
    assert off[1] < 0.011 * 900


def test_groups_of_zeros_and_rows_that_fill_no_group() -> None:
    packed = np.zeros((1, 40, 64), np.float32)
    packed[:, 33, 3] = -5
    values, steps, scale = quantise_groups(packed)
    assert values.shape == (1, 64, 64)
    np.testing.assert_allclose(restored(values, steps, scale)[:, :40], packed, rtol=0.01)


def test_no_sum_of_a_column_can_overflow() -> None:
    packed = np.sign(np.random.default_rng(4).normal(size=(1, 6400, 64))).astype(np.float32)
    values, steps, _ = quantise_groups(packed)
    integers = np.abs(values.astype(np.int64) * np.repeat(steps.astype(np.int64), 32, axis=1))
    assert integers.sum(axis=1).max() * 2047 < 2**31


def test_bf16_takes_the_nearest_value_and_of_two_the_even_one() -> None:
    step = 2.0**-7  # between two of bf16's values from 1 to 2
    assert bf16(1 + 0.4 * step, 1 + 0.6 * step, -1 - 0.6 * step) == [1, 1 + step, -1 - step]
    assert bf16(1 + 0.5 * step, 1 + 1.5 * step) == [1, 1 + 2 * step]
