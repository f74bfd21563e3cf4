"""What products are made of: what the host says, and what the processor multiplies fastest."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from plugins.gpt2.model.target import compiler
from plugins.gpt2.training.plan import NAME, Plan, read_plan, write_plan
from plugins.gpt2.training.precision import NoSuchProducts, precision_for

PLAN = Plan("a", "", "b", {}, False, "full", 4, 512, 20.0, 3e-4, 1, "bf16")


@pytest.mark.parametrize(
    ("has", "device", "chosen"), [(True, "CPU", "bf16"), (False, "CPU", "fp32"), (True, "CUDA", "fp32")]
)
def test_bf16_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, has: bool, device: str, chosen: str
) -> None:
    monkeypatch.setattr(compiler, "multiplies_bf16", lambda: has)
    assert precision_for(None, device, new=False) == chosen
    assert precision_for(None, device, new=True) == precision_for("fp32", device, new=False) == "fp32"
    if chosen == "bf16":
        assert precision_for("bf16", device, new=True) == "bf16"
        return
    with pytest.raises(NoSuchProducts, match=r"--precision fp32 trains here"):
        precision_for("bf16", device, new=False)


def test_only_wide_vectors_with_the_instruction_multiply_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_is_x86", lambda: True)
    for flags, has in (
        ("avx2 avx512f avx512bw avx512_bf16", True),
        ("avx2 avx512f avx512bw", False),
        ("avx2 avx_ne_convert", False),
    ):
        monkeypatch.setattr(compiler, "features", lambda flags=flags: frozenset(flags.split()))
        assert compiler.multiplies_bf16() is has


def test_a_plan_keeps_it_and_one_of_an_earlier_version_was_in_fp32(tmp_path: Path) -> None:
    write_plan(tmp_path, PLAN)
    assert read_plan(tmp_path) == PLAN
    earlier = asdict(PLAN)
    del earlier["precision"]
    (tmp_path / NAME).write_text(json.dumps(earlier))
    found = read_plan(tmp_path)
    assert found is not None
    assert found.precision == "fp32"
