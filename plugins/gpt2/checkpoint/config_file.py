"""From a checkpoint's ``config.json`` to a :class:`GPT2Config`; what is not supported is refused by name."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.other_formats import file_is
from plugins.gpt2.model.constants import Activation, GPT2Config

CONFIG_NAME = "config.json"
GENERATION_NAME = "generation_config.json"
FILE_LIMIT = 10_000_000
"""Longest ``config.json`` in bytes: a real one has about a thousand."""

log = logging.getLogger("townhall.gpt2.checkpoint")

_ACTIVATIONS: dict[str, Activation] = {
    **dict.fromkeys(("gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh"), "gelu_new"),
    **dict.fromkeys(("gelu", "gelu_python"), "gelu"),
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    **dict.fromkeys(("silu", "swish"), "silu"),
    "tanh": "tanh",
}
"""transformers' name (``activations.py``) → the function that it is."""

_MUST_BE: dict[str, bool] = {"add_cross_attention": False, "is_encoder_decoder": False}
"""Switches of Hugging Face's GPT2Config that change the arithmetic, with the only value that is supported, which
is also the default where the file is silent. (``reorder_and_upcast_attn`` asks for fp32, which attention always is.)"""

_ALIASES = {
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_embd": "hidden_size",
    "n_positions": "max_position_embeddings",
}
"""GPT-2's names of sizes → transformers' names for every model, under which some tools write them."""

MOST_POSITIONS = 1 << 20
"""The longest context that a checkpoint may have, in tokens."""
_LIMITS = {
    "n_layer": 1024,
    "n_head": 4096,
    "n_embd": 1 << 17,
    "n_positions": MOST_POSITIONS,
    "vocab_size": 1 << 24,
    "n_inner": 1 << 20,
}
"""Sizes beyond these are taken for a broken file, so that a typo does not make a list of a billion layers."""

VOCAB_LIMIT = _LIMITS["vocab_size"]
"""The most tokens, so that an id is below it."""


def read_config(path: Path) -> GPT2Config:
    """Read and check the file; where a text ends, ``generation_config.json`` beside it says first, if it is there.

    Raises :class:`CheckpointError` with the key, what it says and what is supported.
    """
    config = parse_config(read_json_object(path), path)
    beside = path.with_name(GENERATION_NAME)
    generation = read_json_object(beside) if beside.exists() else {}
    if generation.get("eos_token_id") is None:
        return config
    ends = _ends(generation, config.vocab_size, beside)
    return replace(config, end_of_text=ends[0] if ends else None, also_end=ends[1:])


def read_json_object(path: Path, *, limit: int = FILE_LIMIT) -> dict[str, Any]:
    """Return the JSON object in ``path``, up to ``limit`` bytes long.

    Raises :class:`CheckpointError` where there is none.
    """
    try:
        if path.stat().st_size > limit:
            raise CheckpointError(f"{path}: {path.stat().st_size} bytes are too many for such a file; copy it again.")
        content = path.read_bytes()
        if instead := file_is(content):
            raise CheckpointError(f"{path}: {instead}")
        parsed = json.loads(content)  # bytes, so that a byte-order mark of any UTF is read
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: not found. A checkpoint's folder needs {path.name}.") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}. Check its rights.") from error
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}. Copy or download it again.") from error
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{path}: not a JSON object. Copy or download it again.")
    return parsed


def parse_config(raw: Mapping[str, Any], path: Path) -> GPT2Config:
    """Check what ``config.json`` says; ``path`` is named in errors. Raises :class:`CheckpointError`."""
    kind = raw.get("model_type")
    if kind != "gpt2":
        raise CheckpointError(f"{path}: model_type is {kind!r}; only 'gpt2' is supported. Choose a GPT-2 checkpoint.")
    for key, wanted in _MUST_BE.items():
        if (given := raw.get(key, wanted)) is not wanted:
            raise CheckpointError(f"{path}: {key} is {given!r}; only {wanted} is supported. Choose another checkpoint.")
    raw = _with_own_names(raw, path)
    n_layer, n_head, n_embd, vocab_size = (
        _size(raw, key, path) for key in ("n_layer", "n_head", "n_embd", "vocab_size")
    )
    n_positions = _size(raw, "n_positions" if "n_positions" in raw else "n_ctx", path)
    n_inner = 4 * n_embd if raw.get("n_inner") is None else _size(raw, "n_inner", path)
    if n_embd % n_head:
        raise CheckpointError(f"{path}: n_embd {n_embd} is not a multiple of n_head {n_head}. Correct config.json.")
    activation = raw.get("activation_function", "gelu_new")
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        raise CheckpointError(
            f"{path}: activation_function is {activation!r}; supported are {', '.join(_ACTIVATIONS)}. "
            "Choose another checkpoint."
        )
    ends = _ends(raw, vocab_size, path)
    epsilon = raw.get("layer_norm_epsilon", 1e-5)
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 < epsilon < 1:
        raise CheckpointError(f"{path}: layer_norm_epsilon is {epsilon!r}; it must be a number between 0 and 1.")
    return GPT2Config(
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd,
        n_positions=n_positions,
        vocab_size=vocab_size,
        n_inner=n_inner,
        activation=_ACTIVATIONS[activation],
        layer_norm_epsilon=float(epsilon),
        end_of_text=ends[0] if ends else None,
        tied_head=_switch(raw, "tie_word_embeddings", True, path),
        also_end=ends[1:],
        scale_attn_weights=_switch(raw, "scale_attn_weights", True, path),
        scale_attn_by_inverse_layer_idx=_switch(raw, "scale_attn_by_inverse_layer_idx", False, path),
    )


def _with_own_names(raw: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return ``raw`` with every size under GPT-2's own name."""
    found = dict(raw)
    for name, alias in _ALIASES.items():
        if alias not in raw:
            continue
        if raw.get(name, raw[alias]) != raw[alias]:
            raise CheckpointError(
                f"{path}: {name} is {raw[name]!r}, but {alias}, which is the same, is {raw[alias]!r}. "
                "Copy the checkpoint's own config.json again."
            )
        found[name] = raw[alias]
    return found


def _switch(raw: Mapping[str, Any], key: str, default: bool, path: Path) -> bool:
    value = raw.get(key, default)
    if not isinstance(value, bool):
        raise CheckpointError(f"{path}: {key} is {value!r}; it must be true or false.")
    return value


def _size(raw: Mapping[str, Any], key: str, path: Path) -> int:
    if key not in raw:
        raise CheckpointError(f"{path}: {key} is missing. Copy the checkpoint's own config.json again.")
    value = raw[key]
    limit = _LIMITS["n_positions" if key == "n_ctx" else key]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= limit:
        raise CheckpointError(f"{path}: {key} is {value!r}; it must be a whole number from 1 to {limit}.")
    return value


def _ends(raw: Mapping[str, Any], vocab_size: int, path: Path) -> tuple[int, ...]:
    """Return the ids that end a text, without those outside the vocabulary."""
    value = raw.get("eos_token_id")
    ids = value if isinstance(value, list) else [] if value is None else [value]
    ends: dict[int, None] = {}
    for number in ids:
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise CheckpointError(
                f"{path}: eos_token_id is {value!r}; it must be a token's id, a list of them, or null."
            )
        if number >= vocab_size:  # Hugging Face writes its default 50256 into the configs of small models too
            log.info("%s: eos_token_id %d is outside the vocabulary of %d and is ignored", path, number, vocab_size)
        else:
            ends[number] = None
    return tuple(ends)


def to_json(config: GPT2Config) -> dict[str, Any]:
    """Return ``config`` as Hugging Face writes it, for scripts that export a checkpoint."""
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "n_positions": config.n_positions,
        "n_ctx": config.n_positions,
        "vocab_size": config.vocab_size,
        "n_inner": config.n_inner,
        "activation_function": config.activation,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "bos_token_id": config.end_of_text,
        "eos_token_id": list(config.ends) if config.also_end else config.end_of_text,
        "tie_word_embeddings": config.tied_head,
        "scale_attn_weights": config.scale_attn_weights,
        "scale_attn_by_inverse_layer_idx": config.scale_attn_by_inverse_layer_idx,
    }
