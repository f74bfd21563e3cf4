"""How much memory a model will take, before anything of it is read."""

from __future__ import annotations

import math

from plugins.gpt2.model.constants import GPT2Config, Weights, tensors
from plugins.gpt2.model.gpt2 import LONG_SLICES
from plugins.gpt2.model.packing import GROUP, kept_as

BYTES_PER_WEIGHT: dict[Weights, float] = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int4": 1 / 2 + 1 / GROUP}


def memory_plan(config: GPT2Config, weights: Weights, rows: int) -> int:
    """Return the bytes that a loaded model takes: weights, cache and the steps' buffers. Read off no device."""
    kept = math.ceil(
        sum(math.prod(one.shape) * BYTES_PER_WEIGHT[kept_as(one.module, weights)] for one in tensors(config))
    )
    # An upper bound: where integers are multiplied, keys and values take 8 bits and their scales, 0.58 of this.
    cache_bytes = 4 if weights == "fp32" else 2
    cache = 2 * (rows + 1) * config.n_layer * config.n_positions * config.n_embd * cache_bytes
    logits = 4 * config.vocab_size * 2 * rows
    scores = 2 * 4 * config.n_head * config.n_positions * (LONG_SLICES[0] + 2 * rows)
    return kept + cache + logits + scores


def with_draft(config: GPT2Config, weights: Weights, rows: int, draft: GPT2Config | None) -> int:
    """Return :func:`memory_plan` with that of a draft of this shape, where it could guess for the model."""
    need = memory_plan(config, weights, rows)
    if draft is None or draft.vocab_size != config.vocab_size or draft.parameters >= config.parameters:
        return need
    return need + memory_plan(draft, weights, rows=1)
