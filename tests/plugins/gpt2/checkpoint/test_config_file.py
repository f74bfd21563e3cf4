"""What ``config.json`` says is read as transformers reads it, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.gpt2.checkpoint.checkpoint import CheckpointError, open_checkpoint
from plugins.gpt2.model.constants import GPT2Config
from tests.plugins.gpt2.checkpoint.conftest import CONFIG, EditConfig
from tools.random_checkpoint import write_checkpoint


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'; only 'gpt2' is supported"),
        ({"model_type": ...}, "model_type is None"),
        ({"scale_attn_by_inverse_layer_idx": 1}, "scale_attn_by_inverse_layer_idx is 1; it must be true or false"),
        ({"add_cross_attention": True}, "add_cross_attention is True"),
        ({"scale_attn_weights": "no"}, "scale_attn_weights is 'no'"),
        ({"activation_function": "mish"}, "activation_function is 'mish'; supported are gelu_new"),
        ({"hidden_size": 24}, "n_embd is 12, but hidden_size, which is the same, is 24"),
        ({"activation_function": ["gelu"]}, "activation_function is"),
        ({"n_head": 5}, "n_embd 12 is not a multiple of n_head 5"),
        ({"n_layer": "2"}, "n_layer is '2'; it must be a whole number"),
        ({"n_layer": 0}, "n_layer is 0"),
        ({"n_layer": True}, "n_layer is True"),
        ({"n_layer": 10**9}, "n_layer is 1000000000"),
        ({"n_embd": 12.0}, "n_embd is 12.0"),
        ({"n_inner": -1}, "n_inner is -1"),
        ({"n_positions": ..., "n_ctx": ...}, "n_ctx is missing"),
        ({"vocab_size": ...}, "vocab_size is missing"),
        ({"layer_norm_epsilon": 0}, "layer_norm_epsilon is 0"),
        ({"layer_norm_epsilon": "1e-5"}, "layer_norm_epsilon is '1e-5'"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings is 1"),
        ({"eos_token_id": "x"}, "eos_token_id is 'x'"),
        ({"eos_token_id": [3, "x"]}, r"eos_token_id is \[3, 'x'\]"),
    ],
)
def test_what_the_config_cannot_say_is_refused_by_name(
    edit_config: EditConfig, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json: " + complaint):
        open_checkpoint(str(edit_config(**changes)))


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"activation_function": "gelu_pytorch_tanh"}, "activation", "gelu_new"),
        ({"activation_function": "gelu_fast"}, "activation", "gelu_new"),
        ({"activation_function": "gelu_accurate"}, "activation", "gelu_new"),
        ({"activation_function": "gelu_python"}, "activation", "gelu"),
        ({"activation_function": "swish"}, "activation", "silu"),
        ({"n_embd": ..., "hidden_size": 12}, "n_embd", 12),
        ({"n_head": ..., "num_attention_heads": 3}, "n_head", 3),
        ({"n_layer": ..., "num_hidden_layers": 2}, "n_layer", 2),
        ({"n_positions": ..., "n_ctx": ..., "max_position_embeddings": 10}, "n_positions", 10),
        ({"reorder_and_upcast_attn": True}, "scale_attn_weights", True),
        ({"scale_attn_weights": False}, "scale_attn_weights", False),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx", True),
        ({"activation_function": ...}, "activation", "gelu_new"),
        ({"layer_norm_epsilon": ...}, "layer_norm_epsilon", 1e-5),
        ({"n_positions": ..., "n_ctx": 10}, "n_positions", 10),
        ({"eos_token_id": [7, 8]}, "ends", (7, 8)),
        ({"eos_token_id": [50256, 8, 8]}, "ends", (8,)),
        ({"eos_token_id": []}, "ends", ()),
        ({"eos_token_id": None}, "ends", ()),
        ({"eos_token_id": 50256}, "ends", ()),
        ({"tie_word_embeddings": ...}, "tied_head", True),
    ],
)
def test_what_the_config_leaves_open_has_transformers_defaults(
    edit_config: EditConfig, changes: dict[str, Any], field: str, value: object
) -> None:
    assert getattr(open_checkpoint(str(edit_config(**changes))).config, field) == value


@pytest.mark.parametrize(
    ("generation", "ends"),
    [
        ({"eos_token_id": [7, 8]}, (7, 8)),
        ({"eos_token_id": 50256}, ()),
        ({"eos_token_id": None, "do_sample": True}, (259,)),
        ({}, (259,)),
    ],
)
def test_where_a_text_ends_generation_config_says_first(
    folder: Path, generation: dict[str, Any], ends: tuple[int, ...]
) -> None:
    (folder / "generation_config.json").write_text(json.dumps(generation))
    assert open_checkpoint(str(folder)).config.ends == ends
    (folder / "generation_config.json").write_text('{"eos_token_id": -1}')
    with pytest.raises(CheckpointError, match=r"generation_config\.json: eos_token_id is -1"):
        open_checkpoint(str(folder))


def test_the_inner_width_is_four_times_the_width_where_nothing_is_said(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, GPT2Config(1, 1, 4, 5, 257, 16), seed=1)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"n_inner": None}))
    assert open_checkpoint(str(tmp_path)).config.n_inner == 16


def test_a_byte_order_mark_does_not_matter(folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.write_text("\ufeff" + path.read_text(), encoding="utf-8")
    with open_checkpoint(str(folder)) as checkpoint:
        assert checkpoint.config == CONFIG
        assert checkpoint.tokenizer().vocab_size == 260


@pytest.mark.parametrize("content", ["", "[1]", "{", "\ufeff{"])
def test_a_config_that_is_not_json_is_named(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json: not "):
        open_checkpoint(str(folder))
