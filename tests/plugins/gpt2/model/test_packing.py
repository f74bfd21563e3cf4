"""Narrowed weights are the nearest ones there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plugins.gpt2.model.packing import narrow, quantise, quantise_groups


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
