"""The same integers on every processor: kernels built for others run under qemu-user and are compared with NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.cpu import quantised_rows
from plugins.gpt2.model.cpu.instructions import INSTRUCTIONS
from plugins.gpt2.model.layout import Layout
from plugins.gpt2.model.packing import quantise
from tests.plugins.gpt2.model.cpu import other_machines
from tests.plugins.gpt2.model.cpu.integer_rows import byte_rows_of, quantised, quantised_groups, rows_of
from tests.plugins.gpt2.model.cpu.other_machines import AARCH64, X86_64_V3, Machine

BY_NAME = {str(found.name): found for found in INSTRUCTIONS}


@pytest.mark.parametrize(("weights", "floor"), [("int8", None), ("int4", None), ("int8", 0.0)])
@pytest.mark.parametrize("slots", [1, 8])
@pytest.mark.parametrize(("machine", "name"), [(AARCH64, "dotprod"), (X86_64_V3, "avx2")])
def test_other_processors_give_the_same_integers(
    machine: Machine, name: str, slots: int, weights: Weights, floor: float | None, tmp_path: Path
) -> None:
    if (absent := other_machines.missing(machine)) is not None:
        pytest.skip(absent)
    instructions, k, blocks = BY_NAME[name], 103, 5
    rng = np.random.default_rng(3)
    x, matrix = rng.standard_normal((slots, k), np.float32), rng.standard_normal((k, 64 * blocks), np.float32)
    layout = Layout(lanes=64, positions=16, explicit=True, depth=instructions.depth)
    steps = np.zeros(0, np.int8)
    if weights == "int4":
        values, scale, stored, steps = quantised_groups(layout.pack(matrix), layout)
    else:
        values, scale = quantise(layout.pack(matrix))
        stored = layout.interleave(values)
    given = b"".join(part.tobytes() for part in (x, stored, steps, scale))
    shape = {"slots": slots, "k": k, "blocks": blocks, "stored": stored.nbytes, "steps": steps.nbytes}
    said = other_machines.run(machine, instructions, tmp_path, given, **shape, floor=floor)

    grouped = weights == "int4"
    integers, of_row = quantised(x, grouped=grouped)
    columns = values.swapaxes(0, 1).reshape(k, -1).astype(np.int64)
    sums = (integers.astype(np.int64) @ columns).astype(np.float32) * (scale.ravel() * of_row[:, None])
    cut = slots * quantised_rows.row_bytes(k)
    rows = np.frombuffer(said[:cut], np.int8).reshape(slots, -1)
    floats = np.frombuffer(said[cut : cut + sums.nbytes], np.float32).reshape(sums.shape)
    wide = np.frombuffer(said[cut + sums.nbytes :], np.int8).reshape(slots, -1)
    np.testing.assert_array_equal(rows, rows_of(instructions, x, grouped=grouped))
    np.testing.assert_array_equal(floats, sums)
    made = np.maximum(sums, 0)
    expected = (
        byte_rows_of(instructions, made, floor) if floor is not None else rows_of(instructions, made, grouped=grouped)
    )
    np.testing.assert_array_equal(wide, expected)
