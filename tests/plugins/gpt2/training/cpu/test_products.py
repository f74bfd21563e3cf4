"""The products of training are NumPy's, whatever the sizes and however the matrices lie."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.gpt2.model.target import compiler

compiler.use()

from plugins.gpt2.model import device  # noqa: E402 - imports tinygrad, which reads what use() has set
from plugins.gpt2.training.cpu.operations import launch  # noqa: E402 - as above
from plugins.gpt2.training.cpu.products import Product, Tile, tile_for  # noqa: E402 - as above

SHAPES = [
    Product(37, 65, 203, biased=True, beside=True),
    Product(25, 33, 7, b_turned=True),
    Product(400, 193, 31, a_turned=True, summed=True),
    Product(19, 40, 801, a_turned=True, b_turned=True),
    Product(1, 1, 1),
]
TILES = [tile_for(512), tile_for(128), tile_for(compiler.vector_bits())]


def rounded(values: np.ndarray) -> np.ndarray:
    """Return fp32 with the mantissa of bf16, to the nearest and ties to even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("what", SHAPES)
@pytest.mark.parametrize("tile", TILES)
def test_a_product_is_numpys(what: Product, tile: Tile) -> None:
    check(what, tile)


@pytest.mark.skipif(not compiler.multiplies_bf16(), reason="this processor has no AVX512_BF16")
@pytest.mark.parametrize("what", SHAPES)
def test_a_product_of_bf16_is_that_of_rounded_operands(what: Product) -> None:
    check(what, tile_for(512, "bf16"))


@pytest.mark.skipif(not compiler.multiplies_bf16(), reason="this processor has no AVX512_BF16")
def test_what_is_no_number_stays_none_in_bf16() -> None:
    a, b = np.ones((3, 40), np.float32), np.ones((40, 5), np.float32)
    a[0, 7], a[1, 3], b[2, 4] = np.nan, np.inf, 3e38
    out = multiplied(Product(3, 5, 40), tile_for(512, "bf16"), np.zeros((3, 5), np.float32), [a, b])
    assert np.isnan(out[0]).all()
    assert np.isposinf(out[1]).all()
    assert out[2].tolist() == pytest.approx([40, 40, 40, 40, 3e38], rel=2**-8)


def check(what: Product, tile: Tile) -> None:
    """Compare with NumPy."""
    rng = np.random.default_rng(1)

    def some(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    a, b, out = some(what.m, what.k), some(what.k, what.n), some(what.m, what.n)
    given = [np.ascontiguousarray(a.T) if what.a_turned else a, np.ascontiguousarray(b.T) if what.b_turned else b]
    expected = rounded(a) @ rounded(b) if tile.precision == "bf16" else a @ b
    for asked, one in ((what.biased, some(what.n)), (what.beside, some(what.m, what.n))):
        if asked:
            given.append(one)
            expected = expected + one
    if what.summed:
        given.append(np.ones(1, np.float32))
        expected = expected + out
    np.testing.assert_allclose(multiplied(what, tile, out, given), expected, rtol=1e-4, atol=1e-4)


def multiplied(what: Product, tile: Tile, out: np.ndarray, given: list[np.ndarray]) -> np.ndarray:
    """Launch a product into ``out``."""
    tensors = [device.place(array, "CPU") for array in (out, *given)]
    launch(what.source("product_of", tile), what.slices, *tensors)[0].realize()
    return out
