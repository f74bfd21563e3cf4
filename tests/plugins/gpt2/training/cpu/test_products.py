"""The products of training are NumPy's, whatever the sizes and however the matrices lie."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.gpt2.model.target import compiler

compiler.use()

from plugins.gpt2.model import device  # noqa: E402 - imports tinygrad, which reads what use() has set
from plugins.gpt2.training.cpu.operations import launch  # noqa: E402 - as above
from plugins.gpt2.training.cpu.products import Product, Tile, tile_for  # noqa: E402 - as above


@pytest.mark.parametrize(
    ("what", "tile"),
    [
        (Product(37, 65, 203, biased=True, beside=True), tile_for(512)),
        (Product(25, 33, 7, b_turned=True), tile_for(128)),
        (Product(400, 193, 31, a_turned=True, summed=True), tile_for(compiler.vector_bits())),
    ],
)
def test_a_product_is_numpys(what: Product, tile: Tile) -> None:
    rng = np.random.default_rng(1)

    def some(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    a, b, out = some(what.m, what.k), some(what.k, what.n), some(what.m, what.n)
    given = [np.ascontiguousarray(a.T) if what.a_turned else a, np.ascontiguousarray(b.T) if what.b_turned else b]
    expected = a @ b
    for asked, one in ((what.biased, some(what.n)), (what.beside, some(what.m, what.n))):
        if asked:
            given.append(one)
            expected = expected + one
    if what.summed:
        given.append(np.ones(1, np.float32))
        expected = expected + out
    tensors = [device.place(array, "CPU") for array in (out, *given)]
    launch(what.source("product_of", tile), what.slices, *tensors)[0].realize()
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)
