"""Attention over keys and values of 8 bits: what NumPy makes of the same integers, alone and among others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plugins.gpt2.model.target import compiler

compiler.use()

from tinygrad import Tensor  # noqa: E402 - tinygrad reads the environment that use() sets

from plugins.gpt2.model import device  # noqa: E402 - as above
from plugins.gpt2.model.cpu import attention_shape  # noqa: E402 - as above
from plugins.gpt2.model.cpu.instructions import INSTRUCTIONS  # noqa: E402 - as above
from plugins.gpt2.model.cpu.launcher import CLauncher  # noqa: E402 - as above
from plugins.gpt2.model.kv_cache import KEY_GROUP, KVCache  # noqa: E402 - as above
from tests.plugins.gpt2.model.cpu.integer_rows import floats_of  # noqa: E402 - as above

Array = npt.NDArray[Any]
HEADS, LENGTH, ROWS = 3, 100, 3
USABLE = [found for found in INSTRUCTIONS if found.needs <= compiler.features()]


@pytest.fixture(params=USABLE, ids=lambda found: str(found.name))
def launcher(request: pytest.FixtureRequest) -> CLauncher:
    return CLauncher(2, request.param.bits, "CPU", request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


class Text:
    """A KV cache, and what the kernels gave for each step that wrote to it."""

    def __init__(self, launcher: CLauncher, size: int) -> None:
        self.launcher, self.size = launcher, size
        self.cache = KVCache(ROWS, HEADS, size, LENGTH, "int8", launcher.layout, "CPU")

    def attend(self, qkv: Array, positions: Array, rows: Array) -> Array:
        """The bytes of the quantised rows; qkv (B, 3E)."""
        inputs = np.stack([np.zeros(len(rows)), positions, rows]).astype(np.int32)
        given, where = (Tensor(np.ascontiguousarray(each), device="CPU").realize() for each in (qkv, inputs))
        run = device.captured(lambda a, b, _: self.launcher.attention(self.cache, a, b).realize())
        made: Array = run(given, where, self.launcher.attended(self.cache, 0)).numpy().copy()
        made[:, 4:64] = 0
        return made


def in_8_bits(x: Array, group: int | None = None) -> Array:
    """What is left of the last axis's vectors: integers of -127 to 127 times a scale each, or one a group."""
    if group is not None:
        parts = np.split(x, range(group, x.shape[-1], group), axis=-1)
        return np.concatenate([in_8_bits(part) for part in parts], axis=-1)
    scale = np.abs(x).max(axis=-1, keepdims=True) / 127
    result: Array = np.rint(x / np.where(scale == 0, 1, scale)) * scale
    return result


def expected(q: Array, keys: Array, values: Array) -> Array:
    """softmax(q · k / √D) · v of a slot, (H, D) from q (H, D), keys and values (H, T, D), in fp64."""
    scores = np.einsum("hd,htd->ht", q.astype(np.float64), in_8_bits(keys, KEY_GROUP)) / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(1, keepdims=True))
    result: Array = np.einsum("ht,htd->hd", weights / weights.sum(1, keepdims=True), in_8_bits(values))
    return result


@pytest.mark.parametrize("size", [7, 16, 40, 64])
def test_a_slot_reads_its_own_row_and_past(launcher: CLauncher, rng: np.random.Generator, size: int) -> None:
    text, past = Text(launcher, size), rng.standard_normal((ROWS, LENGTH, 3, HEADS, size), np.float32)
    for row in range(ROWS):
        for first in range(0, LENGTH, 25):
            at = np.arange(first, first + 25)
            text.attend(past[row, at].reshape(25, -1), at, np.full(25, row))
    positions, rows = np.array([0, 40, 41, 99]), np.array([2, 1, 1, 0])
    now = rng.standard_normal((4, 3, HEADS, size), np.float32)
    ours = floats_of(text.launcher.instructions, text.attend(now.reshape(4, -1), positions, rows), HEADS * size)
    past[rows, positions] = now
    for slot, (row, position) in enumerate(zip(rows, positions, strict=True)):
        _, keys, values = past[row, : position + 1].transpose(1, 2, 0, 3)
        wanted = expected(now[slot, 0], keys, values).ravel()
        np.testing.assert_allclose(ours[slot], wanted, atol=np.abs(wanted).max() / 4000, err_msg=f"slot {slot}")


@pytest.mark.parametrize(("slots", "size"), [(2, 16), (4, 12), (8, 64), (19, 12), (19, 64)])
def test_neighbours_attend_together_as_each_does_alone(
    launcher: CLauncher, rng: np.random.Generator, slots: int, size: int
) -> None:
    together, alone = Text(launcher, size), Text(launcher, size)
    past = rng.standard_normal((60, 3 * HEADS * size), np.float32)
    for text in (together, alone):
        text.attend(past, np.arange(60), np.ones(60, int))
    qkv, positions = rng.standard_normal((slots, 3 * HEADS * size), np.float32), np.arange(60, 60 + slots)
    ours = together.attend(qkv, positions, np.ones(slots, int))
    for slot in range(slots):
        one = alone.attend(qkv[slot : slot + 1], positions[slot : slot + 1], np.ones(1, int))
        np.testing.assert_array_equal(ours[slot], one[0], err_msg=f"slot {slot}")
    np.testing.assert_array_equal(together.cache.key_array, alone.cache.key_array)
    np.testing.assert_array_equal(together.cache.value_array, alone.cache.value_array)


def test_zeros_attend_to_zeros(launcher: CLauncher) -> None:
    made = Text(launcher, 16).attend(np.zeros((2, 3 * HEADS * 16), np.float32), np.arange(2), np.zeros(2, int))
    assert not made.any()


@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("slots", range(1, 20))
def test_no_more_attend_together_than_there_are(slots: int, bits: int) -> None:
    _, together = attention_shape.tiles(slots, bits)
    assert together is None or together.slots <= slots
