"""GPT-2 as tinygrad's autograd differentiates it, over a checkpoint's own tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinygrad import Tensor

from plugins.gpt2.model.constants import (
    CONTRACT,
    EXPAND,
    FIRST_NORM,
    HEAD,
    LAST_NORM,
    POSITIONS,
    PROJECTION,
    QKV,
    SECOND_NORM,
    TOKENS,
    GPT2Config,
    in_block,
)
from plugins.gpt2.training.network.lora import FIRST, SCALE, SECOND
from plugins.gpt2.training.network.operations import Operations


@dataclass(frozen=True, slots=True)
class Network:
    """The forward pass; ``weights`` has every tensor of the model, and the pairs of LoRA where there are some."""

    config: GPT2Config
    weights: Mapping[str, Tensor]
    does: Operations

    def nats(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy of ``targets`` after ``tokens``, both int32 (rows, T), in nats a token."""
        config, rows = self.config, int(tokens.shape[0])
        x = self.does.embed(tokens, self.weights[f"{TOKENS}.weight"], self.weights[f"{POSITIONS}.weight"])
        for index in range(config.n_layer):
            joined = self._linear(in_block(index, QKV), self._norm(in_block(index, FIRST_NORM), x))
            seen = self.does.attention(joined, rows, config.n_head, config.query_factor(index))
            x = self._linear(in_block(index, PROJECTION), seen, x)
            inner = self._linear(in_block(index, EXPAND), self._norm(in_block(index, SECOND_NORM), x))
            x = self._linear(in_block(index, CONTRACT), self.does.activate(inner, config.activation), x)
        head = self.weights[f"{TOKENS if config.tied_head else HEAD}.weight"]
        return self.does.nats(self._norm(LAST_NORM, x), head, targets)

    def _norm(self, module: str, x: Tensor) -> Tensor:
        weight, bias = self.weights[f"{module}.weight"], self.weights[f"{module}.bias"]
        return self.does.norm(x, weight, bias, self.config.layer_norm_epsilon)

    def _linear(self, module: str, x: Tensor, residual: Tensor | None = None) -> Tensor:
        weight, bias = self.weights[f"{module}.weight"], self.weights[f"{module}.bias"]
        first, second = self.weights.get(module + FIRST), self.weights.get(module + SECOND)
        if first is not None and second is not None:
            narrow = self.does.linear(x, first, None, None) * SCALE
            residual = self.does.linear(narrow, second, None, residual)
        return self.does.linear(x, weight, bias, residual)
