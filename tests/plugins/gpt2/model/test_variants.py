"""The switches of a config change the numbers as they should: attention scaled otherwise, other activations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.model.constants import GPT2Config
from plugins.gpt2.model.gpt2 import load
from tests.plugins.gpt2.model.numpy_gpt2 import logits_of
from tools.random_checkpoint import random_weights, write_checkpoint

CONFIG = GPT2Config(3, 3, 48, 37, 257, 192, end_of_text=256)
TOKENS = [72, 101, 108, 108, 111, 32, 119, 111, 114, 108, 100]


@pytest.mark.usefixtures("steps_when_needed")
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"scale_attn_by_inverse_layer_idx": True},  # as Stanford's Mistral GPT-2s were trained
        {"scale_attn_weights": False},
        {"scale_attn_by_inverse_layer_idx": True, "scale_attn_weights": False, "tied_head": False},
        {"activation": "silu"},
        {"activation": "quick_gelu"},
        {"activation": "tanh"},
    ],
)
def test_every_variant_gives_numpys_logits(tmp_path: Path, change: dict[str, Any]) -> None:
    config = replace(CONFIG, **change)
    expected = logits_of(random_weights(config, 3), config, TOKENS)
    with open_checkpoint(str(write_checkpoint(tmp_path, config, 3))) as checkpoint:
        assert checkpoint.config == config
        for weights, close in (("fp32", 1e-4), ("int8", 0.15)):
            model = load(checkpoint, weights=weights, rows=1)  # type: ignore[arg-type]  # a literal, as it were
            ours = np.stack([model.decode([0], [token], [at])[0] for at, token in enumerate(TOKENS)])
            model.close()
            error = np.abs(ours - expected).max(-1) / np.abs(expected).max(-1)
            assert error.max() < close, weights


@pytest.mark.parametrize("change", [{"scale_attn_by_inverse_layer_idx": True}, {"scale_attn_weights": False}])
def test_a_variant_is_not_the_usual_model(change: dict[str, Any]) -> None:
    weights = random_weights(CONFIG, 3)
    one, other = (logits_of(weights, config, TOKENS) for config in (CONFIG, replace(CONFIG, **change)))
    assert np.abs(one - other).max() > 0.1
