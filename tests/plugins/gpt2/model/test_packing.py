"""Narrowed weights are the nearest ones there are."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.gpt2.model.packing import narrow, quantise


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


def test_bf16_takes_the_nearest_value_and_of_two_the_even_one() -> None:
    step = 2.0**-7  # between two of bf16's values from 1 to 2
    assert bf16(1 + 0.4 * step, 1 + 0.6 * step, -1 - 0.6 * step) == [1, 1 + step, -1 - step]
    assert bf16(1 + 0.5 * step, 1 + 1.5 * step) == [1, 1 + 2 * step]
