"""GPT-2's tensors, counted."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.checkpoint.model_names import HUB_CONFIGS
from plugins.gpt2.model.constants import EMBEDDED_MODEL, OFFICIAL_CONFIGS, Weights, block_of, tensors
from plugins.gpt2.model.layout import GPU, NATIVE, Layout
from plugins.gpt2.model.packing import parts

TRANSFORMERS_SAYS = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "distilgpt2": 81_912_576,
}
"""``sum(p.numel() for p in GPT2LMHeadModel.from_pretrained(name).parameters())``."""


@pytest.mark.parametrize("name", list(TRANSFORMERS_SAYS))
def test_parameters_are_as_many_as_transformers_counts(name: str) -> None:
    assert HUB_CONFIGS[name].parameters == TRANSFORMERS_SAYS[name]


def test_a_head_of_its_own_is_counted() -> None:
    config = OFFICIAL_CONFIGS["gpt2"]
    assert replace(config, tied_head=False).parameters == config.parameters + 50257 * 768


def test_a_checkpoint_holds_the_tensors_of_the_table_in_its_order() -> None:
    with open_checkpoint(EMBEDDED_MODEL) as checkpoint:
        found = [(name, ref.shape) for name, ref in checkpoint.tensors.items()]
        assert found == [(tensor.name, tensor.shape) for tensor in tensors(checkpoint.config)]


@pytest.mark.parametrize(("weights", "beside"), [("int8", {"scale"}), ("int4", {"scale", "steps"})])
@pytest.mark.parametrize("layout", [GPU, NATIVE])
def test_every_tensor_becomes_a_part_of_its_name_and_loses_nothing(
    layout: Layout, weights: Weights, beside: set[str]
) -> None:
    config = replace(OFFICIAL_CONFIGS["gpt2"], tied_head=False)
    packed = {part.name: part for part in parts(config, weights, layout)}
    for tensor in tensors(config):
        part = packed.pop(tensor.name)
        assert part.source == tensor.name
        assert math.prod(part.shape) * (2 if part.dtype == "U8" else 1) >= math.prod(tensor.shape)
    assert {name.rpartition(".")[2] for name in packed} == beside


def test_a_name_tells_its_block() -> None:
    assert [block_of(name) for name in ("h.11.ln_1.bias", "wte.weight", "h.x.ln_1.bias")] == [11, None, None]
