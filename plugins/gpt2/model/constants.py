"""GPT-2's shape: what a checkpoint's ``config.json`` must say, its tensors, and the four official models.

The tensors stand here once, oddities included. Who checks a checkpoint, packs it, builds the network or counts its
parameters goes by :func:`tensors`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

Activation = Literal["gelu_new", "gelu", "quick_gelu", "relu", "silu", "tanh"]
FLOORS: dict[Activation, float] = {
    "gelu_new": 0.1701,
    "gelu": 0.1701,
    "quick_gelu": 0.1637,
    "relu": 0.0,
    "silu": 0.2785,
    "tanh": 1.0,
}
"""So much below zero an activation goes, and no more: their least values, rounded up to the fourth digit."""
"""gelu_new is the tanh approximation; transformers' other names for the same functions are read as these."""

Weights = Literal["fp32", "fp16", "bf16", "int8", "int4"]
"""How the matrices are kept in memory. With int4 the embedding and the head stay at 8 bits."""

OTHER_TOKENS: dict[Weights, float] = {"int8": 1.19, "int4": 7.4}
"""In so many of 100 places another token is the likeliest than with fp32 (townhall-mini, ``bench.quality``)."""

WEIGHT_NAMES: tuple[Weights, ...] = get_args(Weights)

Products = Literal["avx512-vnni", "avx-vnni", "avx512", "avx2", "dotprod", "fp32"]
"""What multiplies weights of 8 and 4 bits on a CPU: a set of integer instructions, or fp32. All others take fp32."""


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
        return sum(math.prod(tensor.shape) for tensor in tensors(self))


PREFIX = "transformer."
"""What stands before names in checkpoints that were saved with their head; canonical names go without."""
MASKS = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")
"""Attention masks that older versions of transformers saved among the weights."""

TOKENS, POSITIONS, LAST_NORM, HEAD = "wte", "wpe", "ln_f", "lm_head"
FIRST_NORM, QKV, PROJECTION, SECOND_NORM, EXPAND, CONTRACT = (
    *("ln_1", "attn.c_attn", "attn.c_proj"),
    *("ln_2", "mlp.c_fc", "mlp.c_proj"),
)
"""The modules of a block, see :func:`in_block`."""

Kind = Literal["tokens", "positions", "norm", "matrix", "bias"]
"""What a tensor is. A ``matrix`` is a Conv1D of Hugging Face: (in, out), where a Linear has (out, in). ``tokens`` is
(V, E), a row for each token, and is read so by the embedding; the head multiplies by its transpose."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor of a checkpoint, ``weight`` or ``bias`` of a ``module``."""

    module: str
    part: Literal["weight", "bias"]
    kind: Kind
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """The canonical name: ``h.0.attn.c_attn.weight``."""
        return f"{self.module}.{self.part}"


def in_block(index: int, module: str) -> str:
    """Return the name of a block's module."""
    return f"h.{index}.{module}"


def block_of(name: str) -> int | None:
    """Return the number of the block that a tensor with this canonical name belongs to, None where it is in none."""
    found = re.match(r"h\.(\d+)\.", name)
    return int(found[1]) if found else None


def tensors(config: GPT2Config) -> Iterator[TensorSpec]:
    """Yield every tensor of a model, in the order of the forward pass."""
    width, inner = config.n_embd, config.n_inner
    yield TensorSpec(TOKENS, "weight", "tokens", (config.vocab_size, width))
    yield TensorSpec(POSITIONS, "weight", "positions", (config.n_positions, width))
    for index in range(config.n_layer):
        yield from _norm(in_block(index, FIRST_NORM), width)
        yield from _matrix(in_block(index, QKV), width, 3 * width)
        yield from _matrix(in_block(index, PROJECTION), width, width)
        yield from _norm(in_block(index, SECOND_NORM), width)
        yield from _matrix(in_block(index, EXPAND), width, inner)
        yield from _matrix(in_block(index, CONTRACT), inner, width)
    yield from _norm(LAST_NORM, width)
    if not config.tied_head:
        yield TensorSpec(HEAD, "weight", "tokens", (config.vocab_size, width))


def _norm(module: str, width: int) -> Iterator[TensorSpec]:
    yield TensorSpec(module, "weight", "norm", (width,))
    yield TensorSpec(module, "bias", "norm", (width,))


def _matrix(module: str, rows: int, columns: int) -> Iterator[TensorSpec]:
    yield TensorSpec(module, "weight", "matrix", (rows, columns))
    yield TensorSpec(module, "bias", "bias", (columns,))


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
