"""Sizes and limits of GPT-2: what a checkpoint's ``config.json`` must say, and the four official models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Activation = Literal["gelu_new", "gelu", "relu"]
"""gelu_new and gelu_pytorch_tanh are the same tanh approximation; the latter is read as the former."""

Weights = Literal["fp32", "fp16", "bf16", "int8"]
"""How the matrices are kept in memory."""

WEIGHT_NAMES: tuple[Weights, ...] = get_args(Weights)

Products = Literal["avx512-vnni", "avx-vnni", "avx512", "avx2", "dotprod", "fp32"]
"""What multiplies 8-bit weights on a CPU: a set of integer instructions, or fp32. All other weights take fp32."""


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
