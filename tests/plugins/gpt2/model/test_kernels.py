"""The C kernels and the UOp kernels compute the same, and both what NumPy says in a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest

from plugins.gpt2.model.target import compiler

compiler.use()

from tinygrad import Tensor  # noqa: E402 - tinygrad reads the environment that use() sets

from plugins.gpt2.model import device  # noqa: E402 - as above
from plugins.gpt2.model.constants import WEIGHT_NAMES, Activation, Weights  # noqa: E402 - as above
from plugins.gpt2.model.cpu import kernels  # noqa: E402 - as above
from plugins.gpt2.model.cpu.launcher import CLauncher  # noqa: E402 - as above
from plugins.gpt2.model.kv_cache import KVCache  # noqa: E402 - as above
from plugins.gpt2.model.launch_uop import UOpLauncher  # noqa: E402 - as above
from plugins.gpt2.model.launcher import Launcher  # noqa: E402 - as above
from plugins.gpt2.model.layer_norm import LayerNorm  # noqa: E402 - as above
from plugins.gpt2.model.layout import GPU, PORTABLE_CPU, Layout  # noqa: E402 - as above
from plugins.gpt2.model.linear import Linear  # noqa: E402 - as above
from plugins.gpt2.model.packing import narrow, quantise, quantise_groups  # noqa: E402 - as above
from tests.plugins.gpt2.model.numpy_gpt2 import activated  # noqa: E402 - as above

Array = npt.NDArray[Any]

LAUNCHERS: dict[str, Callable[[], Launcher]] = {
    "c with AVX-512": lambda: CLauncher(2, 512, "CPU"),
    "c with AVX2": lambda: CLauncher(2, 256, "CPU"),
    "uops in blocks": lambda: UOpLauncher(PORTABLE_CPU, "CPU"),
    "uops as on a GPU": lambda: UOpLauncher(GPU, "CPU"),
}


@pytest.fixture(params=list(LAUNCHERS))
def launcher(request: pytest.FixtureRequest) -> Launcher:
    return LAUNCHERS[request.param]()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def on_cpu(array: Array) -> Tensor:
    return Tensor(np.ascontiguousarray(array), device="CPU").realize()


def made(launcher: Launcher, matrix: Array, bias: Array | None, weights: Weights, activation: Any = "none") -> Linear:
    packed, scale, steps, rows = launcher.layout.pack(matrix), None, None, None
    if weights == "int4":
        values, factors, scales = quantise_groups(packed)
        weight, steps, scale = on_cpu(launcher.layout.nibbles(values)), on_cpu(factors), on_cpu(scales)
        rows = len(matrix)
    elif weights == "int8":
        values, scales = quantise(packed)
        weight, scale = on_cpu(values), on_cpu(scales)
    else:
        weight = on_cpu(narrow(packed, weights))
    beside = None if bias is None else on_cpu(launcher.layout.pack_vector(bias))
    return Linear("product", weight, scale, beside, weights, launcher, activation, steps=steps, rows=rows)


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
def test_a_product_for_any_number_of_slots(launcher: Launcher, rng: np.random.Generator, slots: int) -> None:
    x, matrix = rng.standard_normal((slots, 39), np.float32), rng.standard_normal((39, 100), np.float32)
    bias, residual = rng.standard_normal(100, np.float32), rng.standard_normal((slots, 128), np.float32)
    linear = made(launcher, matrix, bias, "fp32", "gelu_new")
    width = linear.blocks * launcher.layout.lanes
    given = np.zeros((slots, width), np.float32)
    given[:, :100] = residual[:, :100]
    ours = linear(on_cpu(x), on_cpu(given)).numpy()[:, :100]
    np.testing.assert_allclose(ours, activated(x @ matrix + bias, "gelu_new") + residual[:, :100], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weights", WEIGHT_NAMES)
def test_a_product_with_each_kind_of_weights(launcher: Launcher, rng: np.random.Generator, weights: Weights) -> None:
    x, matrix = rng.standard_normal((1, 64), np.float32), rng.standard_normal((64, 70), np.float32)
    ours = made(launcher, matrix, None, weights)(on_cpu(x)).numpy()[:, :70]
    tolerance = {"fp32": 1e-5, "fp16": 4e-3, "bf16": 3e-2, "int8": 6e-2, "int4": 0.15}[weights]
    assert np.abs(ours - x @ matrix).max() < tolerance * np.abs(x @ matrix).max() + tolerance


@pytest.mark.parametrize("activation", get_args(Activation))
def test_each_activation_far_out_and_near_zero(launcher: Launcher, activation: Activation) -> None:
    x = np.linspace(-30, 30, 64, dtype=np.float32)
    ours = made(launcher, np.eye(64, dtype=np.float32), None, "fp32", activation)(on_cpu(x[None])).numpy()[0, :64]
    expected = activated(x.astype(np.float64), activation)
    np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("width", [48, 40, 7])
def test_layer_norm_of_all_slots_and_of_the_wanted_ones(
    launcher: Launcher, rng: np.random.Generator, width: int
) -> None:
    x = rng.standard_normal((4, width), np.float32) * 3 + 5
    weight, bias = rng.standard_normal(width, np.float32), rng.standard_normal(width, np.float32)
    norm = LayerNorm(on_cpu(weight), on_cpu(bias), 1e-5, launcher)
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * weight + bias
    np.testing.assert_allclose(norm(on_cpu(x)).numpy(), expected, rtol=1e-4, atol=1e-5)
    picked = norm(on_cpu(x), on_cpu(np.array([2, 0], np.int32))).numpy()
    np.testing.assert_allclose(picked, expected[[2, 0]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [16, 8, 12])
def test_attention_reads_only_its_own_row_and_past(launcher: Launcher, rng: np.random.Generator, size: int) -> None:
    heads, length, rows = 3, 70, 3
    keys, values = (rng.standard_normal((rows, heads, length, size), np.float32) for _ in range(2))
    cache = KVCache(rows, heads, size, length, "fp32", launcher.layout, "CPU")
    qkv = rng.standard_normal((4, 3 * heads * size), np.float32)
    positions, owners = np.array([0, 40, 41, 69]), np.array([2, 1, 1, 0])  # two slots are neighbours in one row
    fill(cache, keys, values, launcher.layout)
    inputs = np.stack([np.zeros(4), positions, owners]).astype(np.int32)
    ours = attend(launcher, cache, qkv, inputs)
    split = qkv.reshape(4, 3, heads, size)
    for slot in range(4):
        keys[owners[slot], :, positions[slot]] = split[slot, 1]
        values[owners[slot], :, positions[slot]] = split[slot, 2]
    for slot in range(4):
        past = slice(0, positions[slot] + 1)
        scores = np.einsum("hd,htd->ht", split[slot, 0], keys[owners[slot], :, past]) / np.sqrt(size)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        expected = np.einsum("ht,htd->hd", weights, values[owners[slot], :, past]).ravel()
        np.testing.assert_allclose(ours[slot], expected, rtol=1e-4, atol=1e-5, err_msg=f"slot {slot}")


@pytest.mark.parametrize(("slots", "size"), [(4, 12), (8, 16), (8, 64), (19, 12), (19, 64)])
def test_neighbours_attend_together_as_each_does_alone(rng: np.random.Generator, slots: int, size: int) -> None:
    heads, length, first = 2, 100, 61
    qkv = rng.standard_normal((slots, 3 * heads * size), np.float32)
    past = [rng.standard_normal((2, heads, length, size), np.float32) for _ in range(2)]
    inputs = np.stack([np.zeros(slots), np.arange(first, first + slots), np.ones(slots)]).astype(np.int32)
    for bits in (128, 256, 512):
        launcher = CLauncher(2, bits, "CPU")
        together, alone = (KVCache(2, heads, size, length, "fp16", launcher.layout, "CPU") for _ in range(2))
        for cache in (together, alone):
            fill(cache, past[0], past[1], launcher.layout)
        ours = attend(launcher, together, qkv, inputs)
        for slot in range(slots):
            one = attend(launcher, alone, qkv[slot : slot + 1], inputs[:, slot : slot + 1])
            np.testing.assert_array_equal(ours[slot], one[0], err_msg=f"slot {slot}, {bits} bits")


def fill(cache: KVCache, keys: Array, values: Array, layout: Layout) -> None:
    rows, heads, length, size = keys.shape
    whole = np.zeros((rows, heads, cache.blocks * layout.positions, size), np.float32)
    whole[:, :, :length] = keys
    by_block = whole.reshape(rows, heads, cache.blocks, layout.positions, size)
    cache.key_array[:] = by_block.swapaxes(3, 4)
    cache.value_array[:, :, :length] = values


def attend(launcher: Launcher, cache: KVCache, qkv: Array, inputs: Array) -> Array:
    def run(given: Tensor, where: Tensor, attended: object) -> Tensor:
        return launcher.attention(cache, given, where).realize()

    result: Array = device.captured(run)(
        on_cpu(qkv), on_cpu(inputs), launcher.attended(cache, int(inputs[1].max()))
    ).numpy()
    return result


@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("slots", range(1, 33))
def test_a_tile_never_reaches_past_the_last_slot(slots: int, bits: int) -> None:
    assert slots % kernels.tile_for(slots, bits).slots == 0
