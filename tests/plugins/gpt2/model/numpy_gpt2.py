"""GPT-2 in NumPy on one screen, after picoGPT, with the switches of transformers' GPT2Config: the tests' oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import erf, pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model.constants import GPT2Config

Array = npt.NDArray[Any]


def activated(x: Array, kind: str) -> Array:
    """Apply an activation under the name that it has in ``Activation``."""
    values: dict[str, Callable[[], Any]] = {
        "gelu_new": lambda: 0.5 * x * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))),
        "gelu": lambda: 0.5 * x * (1 + np.vectorize(erf)(x / sqrt(2))),
        "quick_gelu": lambda: x / (1 + np.exp(-1.702 * x)),
        "relu": lambda: np.maximum(x, 0),
        "silu": lambda: x / (1 + np.exp(-x)),
        "tanh": lambda: np.tanh(x),
    }
    return np.asarray(values[kind]())


def logits_of(weights: Mapping[str, Array], config: GPT2Config, tokens: Sequence[int]) -> Array:
    """Return the logits after each of ``tokens``: [n_seq] -> [n_seq, n_vocab], in double precision."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}

    def norm(x: Array, name: str) -> Array:  # [n_seq, n_embd] -> [n_seq, n_embd]
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt(x.var(-1, keepdims=True) + config.layer_norm_epsilon)
        return np.asarray(scaled * w[f"{name}.weight"] + w[f"{name}.bias"])

    def linear(x: Array, name: str) -> Array:  # [n_seq, n_in] -> [n_seq, n_out]
        return np.asarray(x @ w[f"{name}.weight"] + w[f"{name}.bias"])

    def attend(x: Array, layer: int) -> Array:  # [n_seq, n_embd] -> [n_seq, n_embd]
        heads = linear(x, f"h.{layer}.attn.c_attn").reshape(len(x), 3, config.n_head, -1)
        scores = np.einsum("qhd,khd->hqk", heads[:, 0], heads[:, 1])
        if config.scale_attn_weights:
            scores /= sqrt(config.head_size)
        if config.scale_attn_by_inverse_layer_idx:
            scores /= layer + 1
        scores[:, ~np.tri(len(x), dtype=bool)] = -np.inf
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = np.einsum("hqk,khd->qhd", shares / shares.sum(-1, keepdims=True), heads[:, 2])
        return linear(mixed.reshape(x.shape), f"h.{layer}.attn.c_proj")

    x = w["wte.weight"][list(tokens)] + w["wpe.weight"][: len(tokens)]
    for layer in range(config.n_layer):
        x = x + attend(norm(x, f"h.{layer}.ln_1"), layer)
        inner = activated(linear(norm(x, f"h.{layer}.ln_2"), f"h.{layer}.mlp.c_fc"), config.activation)
        x = x + linear(inner, f"h.{layer}.mlp.c_proj")
    return np.asarray(norm(x, "ln_f") @ w["wte.weight" if config.tied_head else "lm_head.weight"].T)
