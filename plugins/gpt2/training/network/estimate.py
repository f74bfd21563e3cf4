"""What a training takes, told before it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from plugins.gpt2.model.constants import GPT2Config
from plugins.gpt2.training.network import lora

Method = Literal["full", "lora"]

TOKENS_AT_ONCE = 2048
"""So many tokens go forward and backward together at most; a larger batch is taken in parts, gradients added up."""
ROOM = 150_000_000
"""Bytes of the interpreter, of tinygrad and of what compiling takes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes at most, and floating-point operations for each token."""

    memory_bytes: int
    flops_per_token: float


def rows_at_once(batch: int, context: int) -> int:
    """Return how many rows of a batch go through the network together: a divisor of ``batch``."""
    most = max(1, TOKENS_AT_ONCE // context)
    return next(rows for rows in range(min(batch, most), 0, -1) if batch % rows == 0)


def estimate(config: GPT2Config, method: Method, batch: int, context: int) -> Estimate:
    """Return what training takes on ``batch`` rows of ``context`` tokens a step."""
    trained = config.parameters
    if method == "lora":
        trained = sum(math.prod(shape) for shape in lora.shapes(config).values())
    states = 4 * (config.parameters if method == "lora" else 0) + 16 * trained
    tokens = rows_at_once(batch, context) * context
    layer = 9 * config.n_embd + 2 * config.n_inner  # kept for the way back, of each token
    passing = 6 * config.n_embd + 3 * config.n_inner + 2 * config.vocab_size
    activations = 4 * tokens * (config.n_layer * layer + passing)
    looked_up = config.vocab_size * config.n_embd if not config.tied_head else 0
    products = config.parameters - looked_up - config.n_positions * config.n_embd
    attention = config.n_layer * context * config.n_embd  # products of a token with half the context, twice
    times = 3 if method == "full" else 2
    flops = 2 * (times * products + 3.5 * attention + (3 * trained if method == "lora" else 0))
    return Estimate(states + activations + ROOM, flops)
