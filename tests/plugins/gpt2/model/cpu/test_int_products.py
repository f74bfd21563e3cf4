"""Integer products give the integers that NumPy gives, whatever the tile and the instructions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plugins.gpt2.model.target import compiler

compiler.use()

from tinygrad import Tensor  # noqa: E402 - tinygrad reads the environment that use() sets

from plugins.gpt2.model.constants import FLOORS, Weights  # noqa: E402 - as above
from plugins.gpt2.model.cpu import int_products, quantised_rows  # noqa: E402 - as above
from plugins.gpt2.model.cpu.instructions import INSTRUCTIONS, choose  # noqa: E402 - as above
from plugins.gpt2.model.cpu.launcher import CLauncher  # noqa: E402 - as above
from plugins.gpt2.model.layer_norm import LayerNorm  # noqa: E402 - as above
from plugins.gpt2.model.linear import Linear  # noqa: E402 - as above
from plugins.gpt2.model.packing import quantise  # noqa: E402 - as above
from tests.plugins.gpt2.model.cpu.integer_rows import (  # noqa: E402 - as above
    byte_quantised,
    byte_rows_of,
    quantised,
    quantised_groups,
    rows_of,
)

Array = npt.NDArray[Any]

USABLE = [found for found in INSTRUCTIONS if found.needs <= compiler.features()]


@pytest.fixture(params=USABLE, ids=lambda found: str(found.name))
def launcher(request: pytest.FixtureRequest) -> CLauncher:
    return CLauncher(2, request.param.bits, "CPU", request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def on_cpu(array: Array) -> Tensor:
    return Tensor(np.ascontiguousarray(array), device="CPU").realize()


def bytes_of(tensor: Tensor) -> Array:
    """Quantised rows; what lies between scale and integers is nobody's."""
    result: Array = tensor.numpy().copy()
    result[:, 4:64] = 0
    return result


def made(
    launcher: CLauncher,
    matrix: Array,
    bias: Array | None,
    activation: Any = "none",
    *,
    feeds_product: bool = False,
    weights: Weights = "int8",
) -> tuple[Linear, Array, Array]:
    """The matrix as a Linear, and its integers (K, N) and scales (N,)."""
    packed, layout = launcher.layout.pack(matrix), launcher.layout
    beside = None if bias is None else on_cpu(layout.pack_vector(bias))
    if weights == "int4":
        integers, scale, nibbles, steps = quantised_groups(packed, layout)
        linear = Linear("product", on_cpu(nibbles), on_cpu(scale), beside, weights, launcher, activation, feeds_product)
        linear = replace(linear, steps=on_cpu(steps), rows=len(matrix))
    else:
        integers, scale = quantise(packed)
        weight = on_cpu(layout.interleave(integers))
        linear = Linear("product", weight, on_cpu(scale), beside, weights, launcher, activation, feeds_product)
    columns = integers.swapaxes(0, 1).reshape(matrix.shape[0], -1).astype(np.int64)
    return linear, columns, scale.ravel()


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("k", [39, 64, 100])
@pytest.mark.parametrize("slots", [1, 2, 4, 8, 16])
def test_a_sum_is_exact_for_any_number_of_slots(
    launcher: CLauncher, rng: np.random.Generator, slots: int, k: int, weights: Weights
) -> None:
    assert launcher.instructions is not None
    x, matrix = rng.standard_normal((slots, k), np.float32), rng.standard_normal((k, 150), np.float32)
    linear, columns, scale = made(launcher, matrix, None, weights=weights)
    grouped = weights == "int4"
    integers, of_row = quantised(x, grouped=grouped)
    sums = integers.astype(np.int64) @ columns
    expected = sums.astype(np.float32) * (scale * of_row[:, None]).astype(np.float32)
    ours = linear(on_cpu(rows_of(launcher.instructions, x, grouped=grouped))).numpy()
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(("weights", "off"), [("int8", 1e-6), ("int4", 0.01)])
def test_the_widest_row_at_its_limits_does_not_overflow(launcher: CLauncher, weights: Weights, off: float) -> None:
    assert launcher.instructions is not None
    for k in (6400, 12000):
        x, matrix = np.full((1, k), 3, np.float32), np.full((k, 64), -0.5, np.float32)
        linear, _, _ = made(launcher, matrix, None, weights=weights)
        ours = linear(on_cpu(rows_of(launcher.instructions, x, grouped=weights == "int4"))).numpy()
        np.testing.assert_allclose(ours, x @ matrix, rtol=off)


def test_bias_activation_and_residual_follow_the_sum(launcher: CLauncher, rng: np.random.Generator) -> None:
    assert launcher.instructions is not None
    x, matrix = rng.standard_normal((4, 64), np.float32), rng.standard_normal((64, 100), np.float32)
    bias, residual = rng.standard_normal(100, np.float32), rng.standard_normal((4, 128), np.float32)
    linear, _, _ = made(launcher, matrix, bias, "relu")
    ours = linear(on_cpu(rows_of(launcher.instructions, x)), on_cpu(residual)).numpy()[:, :100]
    np.testing.assert_allclose(ours, np.maximum(x @ matrix + bias, 0) + residual[:, :100], atol=0.25)


@pytest.mark.parametrize("width", [48, 40, 7])
def test_layer_norm_ends_in_a_quantised_row(launcher: CLauncher, rng: np.random.Generator, width: int) -> None:
    x = rng.standard_normal((3, width), np.float32) * 3 + 5
    weight, bias = on_cpu(rng.standard_normal(width, np.float32)), on_cpu(rng.standard_normal(width, np.float32))
    rows = bytes_of(LayerNorm(weight, bias, 1e-5, launcher)(on_cpu(x)))
    plain = LayerNorm(weight, bias, 1e-5, CLauncher(2, launcher.vector_bits, "CPU"))(on_cpu(x)).numpy()
    assert launcher.instructions is not None
    np.testing.assert_array_equal(rows, rows_of(launcher.instructions, plain))


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("slots", [1, 4])
def test_an_activated_product_ends_in_quantised_rows(
    launcher: CLauncher, rng: np.random.Generator, slots: int, weights: Weights
) -> None:
    assert launcher.instructions is not None
    instructions = launcher.instructions
    x, matrix = rng.standard_normal((slots, 64), np.float32), rng.standard_normal((64, 1000), np.float32)
    grouped = weights == "int4"
    launcher = CLauncher(2, launcher.vector_bits, "CPU", launcher.instructions, grouped=grouped)
    bias, given = rng.standard_normal(1000, np.float32), on_cpu(rows_of(instructions, x, grouped=grouped))
    expand, _, _ = made(launcher, matrix, bias, "gelu_new", feeds_product=True, weights=weights)
    plain = replace(expand, feeds_product=False)(given).numpy()
    for _ in range(3):  # whoever comes last leaves the counter as it was
        np.testing.assert_array_equal(bytes_of(expand(given)), rows_of(instructions, plain, grouped=grouped))


@pytest.mark.parametrize(("activation", "floor"), [("gelu_new", 0.1701), ("relu", 0.0)])
@pytest.mark.parametrize("slots", [1, 4])
def test_what_lies_between_the_two_products_of_a_feed_forward_network_has_8_bits(
    launcher: CLauncher, rng: np.random.Generator, slots: int, activation: Any, floor: float
) -> None:
    assert launcher.instructions is not None
    x, matrix = rng.standard_normal((slots, 64), np.float32), rng.standard_normal((64, 1000), np.float32)
    matrix[:, 128:256] /= 1000  # groups that are small beside others, and one that is below zero wherever it is
    bias = rng.standard_normal(1000, np.float32)
    bias[192:256] = -30
    expand, _, _ = made(launcher, matrix, bias, activation, feeds_product=True)
    expand, given = replace(expand, floor=floor), on_cpu(rows_of(launcher.instructions, x))
    plain = replace(expand, feeds_product=False, floor=None)(given).numpy()
    for _ in range(2):
        rows = bytes_of(expand(given))
        expected = byte_rows_of(launcher.instructions, plain, floor)
        rows[:, expected.shape[1] :] = 0
        used = 64 + 1024 + 4 * 16 if launcher.instructions.of_bytes else rows.shape[1]
        np.testing.assert_array_equal(rows[:, :used], expected[:, :used])  # behind the steps lies nothing of anybody's


@pytest.mark.parametrize("k", [64, 100, 320])
@pytest.mark.parametrize("slots", [1, 2, 4, 8, 24])
def test_a_sum_of_bytes_is_exact_for_any_number_of_slots(
    launcher: CLauncher, rng: np.random.Generator, slots: int, k: int
) -> None:
    assert launcher.instructions is not None
    x, matrix = rng.standard_normal((slots, k), np.float32), rng.standard_normal((k, 150), np.float32)
    x[:, : k // 2] /= 100
    x = np.pad(np.maximum(x, 0), ((0, 0), (0, -k % 64)))
    linear, columns, scale = made(launcher, matrix, None)
    integers, steps, of_row = byte_quantised(x, 0.0)
    whole = (integers * np.repeat(steps, 64, axis=1))[:, :k].astype(np.int64)
    expected = (whole @ columns).astype(np.float32) * (scale * of_row[:, None]).astype(np.float32)
    ours = replace(linear, floor=0.0)(on_cpu(byte_rows_of(launcher.instructions, x, 0.0))).numpy()
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("k", [64, 3072, 6400, 12032])
def test_a_row_of_bytes_at_its_limits_does_not_overflow(k: int) -> None:
    x = np.full((1, k), 3, np.float32)
    x[0, 0] = 3.0001
    integers, steps, _ = byte_quantised(x, 0.1701)
    assert int((integers * np.repeat(steps, 64, axis=1)).astype(np.int64).sum()) * 127 < 2**31


def test_no_activation_goes_below_its_floor() -> None:
    x = np.linspace(-8, 8, 160_001, dtype=np.float64)
    erf = np.vectorize(math.erf)(x / math.sqrt(2))
    gives = {
        "gelu_new": x / (1 + np.exp(-1.5957691216057308 * x * (1 + 0.044715 * x * x))),
        "gelu": 0.5 * x * (1 + erf),
        "quick_gelu": x / (1 + np.exp(-1.702 * x)),
        "relu": np.maximum(x, 0),
        "silu": x / (1 + np.exp(-x)),
        "tanh": np.tanh(x),
    }
    assert gives.keys() == FLOORS.keys()
    for name, floor in FLOORS.items():
        assert 0 <= floor + gives[name].min() < 2e-4, name


def test_a_row_of_zeros_has_scale_zero(launcher: CLauncher) -> None:
    zero = on_cpu(np.zeros(48, np.float32))
    assert not bytes_of(LayerNorm(zero, zero, 1e-5, launcher)(on_cpu(np.ones((1, 48), np.float32)))).any()


def test_a_row_takes_as_many_steps_as_no_sum_overflows_with() -> None:
    for k in (7, 768, 1033, 3072, 6400, 12000):
        assert quantised_rows.steps(k) * 127 * k < 2**31
    assert [quantised_rows.steps(k) for k in (7, 768, 3072)] == [16383, 16383, 5504]
    assert quantised_rows.steps(768, grouped=True) == 2047


def test_halves_go_to_the_even_integer() -> None:
    integers, _ = quantised(np.array([[16383, 0.5, 1.5, -2.5]], np.float32))
    assert integers.tolist() == [[16383, 0, 2, -2]]


@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("slots", range(1, 33))
def test_a_tile_never_reaches_past_the_last_slot(slots: int, bits: int) -> None:
    assert slots % int_products.tile_for(slots, bits).slots == 0


def test_the_processor_says_what_multiplies_and_the_host_may_say_otherwise() -> None:
    server = {"avx2", "avx512f", "avx512bw", "avx512_vnni"}
    assert getattr(choose(server), "name", None) == "avx512-vnni"
    assert getattr(choose(server, "avx2"), "name", None) == "avx2"
    assert getattr(choose({"avx2", "avx_vnni"}), "name", None) == "avx-vnni"
    assert getattr(choose({"asimddp", "fp"}), "name", None) == "dotprod"
    assert choose({"sse2"}) is None
    assert choose(server, "fp32") is None
    with pytest.raises(RuntimeError, match=r"cannot multiply by avx-vnni.*avx512-vnni, avx512, avx2, fp32"):
        choose(server, "avx-vnni")
