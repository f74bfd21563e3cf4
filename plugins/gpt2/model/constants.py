"""Sizes and limits of GPT-2: what a checkpoint's ``config.json`` must say, and the four official models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Activation = Literal["gelu_new", "gelu", "quick_gelu", "relu", "silu", "tanh"]
"""gelu_new is the tanh approximation; transformers' other names for the same functions are read as these."""

Weights = Literal["fp32", "fp16", "bf16", "int8"]
"""How the matrices are kept in memory. Everything is computed in fp32."""

WEIGHT_NAMES: tuple[Weights, ...] = get_args(Weights)


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """The shape of a GPT-2 checkpoint, under the names of Hugging Face's ``config.json``."""

    n_layer: int
    n_head: int
    n_embd: int
    n_positions: int
    vocab_size: int
    n_inner: int
    activation: Activation = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    end_of_text: int | None = None
    tied_head: bool = True
    also_end: tuple[int, ...] = ()
    """Tokens that end a text beside ``end_of_text``."""
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False

    @property
    def ends(self) -> tuple[int, ...]:
        """Every token that ends a text, the one between texts first."""
        return self.also_end if self.end_of_text is None else (self.end_of_text, *self.also_end)

    def query_factor(self, layer: int) -> float:
        """Return what queries of ``layer`` are multiplied by, so that scores over sqrt(D) are this checkpoint's.

        Stanford's Mistral GPT-2s divide the scores of layer n, counted from 0, by n + 1 as well.
        """
        factor = 1.0 if self.scale_attn_weights else math.sqrt(self.head_size)
        return factor / (layer + 1) if self.scale_attn_by_inverse_layer_idx else factor

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.n_embd // self.n_head

    @property
    def parameters(self) -> int:
        """Number of parameters, a tied head counted once."""
        block = (4 * self.n_embd + 2 * self.n_inner + 9) * self.n_embd + self.n_inner
        embeddings = (self.vocab_size + self.n_positions + 2) * self.n_embd
        return self.n_layer * block + embeddings + (0 if self.tied_head else self.vocab_size * self.n_embd)


OFFICIAL_MODELS: dict[str, str] = {
    "gpt2": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-xl": "openai-community/gpt2-xl",
}
"""Short name → repository on the hub."""

OFFICIAL_CONFIGS: dict[str, GPT2Config] = {
    name: GPT2Config(layers, heads, width, 1024, 50257, 4 * width, end_of_text=50256)
    for name, layers, heads, width in (
        ("gpt2", 12, 12, 768),
        ("gpt2-medium", 24, 16, 1024),
        ("gpt2-large", 36, 20, 1280),
        ("gpt2-xl", 48, 25, 1600),
    )
}

EMBEDDED_MODEL = "townhall-mini"
"""The checkpoint that ships inside the package, in ``plugins/gpt2/mini``."""
