"""A GPT-2 that learns: forward and backward by tinygrad's autograd, AdamW on fp32 masters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from tinygrad import Context, Device, Tensor, TinyJit, dtypes

from plugins.gpt2.model.constants import GPT2Config, tensors

Method = Literal["full", "lora"]
Weights = dict[str, npt.NDArray[np.float32]]
BETAS, EPSILON, DECAY, CLIP = (0.9, 0.95), 1e-8, 0.1, 1.0


class Schedule(Protocol):
    """Tells the learning rate of a step, counted from 0."""

    def rate(self, step: int) -> float:
        """Return it."""
        ...


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step went: nats a token, the gradient's norm before it was clipped, and the rate."""

    loss: float
    gradient_norm: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What training takes: bytes at most, and floating-point operations for each token."""

    memory_bytes: int
    flops_per_token: float


def estimate(config: GPT2Config, method: Method, batch: int, context: int) -> Estimate:
    """Return what a run of this shape takes."""
    states = 4 * 4 * config.parameters
    inner = config.n_embd * 16 + config.n_inner * 3 + config.n_head * context * 3
    activations = 4 * batch * context * (config.n_layer * inner + 3 * config.vocab_size)
    attention = 12 * config.n_layer * config.n_embd * context
    return Estimate(states + activations, 6 * config.parameters + attention)


class Trainer:
    """Trains one model; belongs to the thread that imported tinygrad."""

    def __init__(
        self,
        config: GPT2Config,
        weights: Mapping[str, npt.NDArray[np.floating]],
        *,
        method: Method,
        batch: int,
        context: int,
        schedule: Schedule,
        seed: int,
        threads: int | None = None,
        device: str | None = None,
    ) -> None:
        """``weights`` have the checkpoint's canonical names."""
        self._config, self._schedule, self._shape = config, schedule, (batch, context + 1)
        self._weights = {t.name: Tensor(np.array(weights[t.name], np.float32)).realize() for t in tensors(config)}
        for each in self._weights.values():
            each.is_param_(True)
        zeros = {f"{m}.{name}": np.zeros(w.shape, np.float32) for m in "mv" for name, w in self._weights.items()}
        self._moments = {name: Tensor(values).realize() for name, values in zeros.items()}
        self._steps = 0
        self._step = TinyJit(self._update)
        self._measure = TinyJit(lambda tokens: self._loss(tokens).realize())

    def step(self, tokens: npt.NDArray[np.int32]) -> StepResult:
        """Learn from ``tokens`` (batch, context + 1)."""
        rate, number = self._schedule.rate(self._steps), self._steps + 1
        scale = [rate, 1 / (1 - BETAS[0] ** number), 1 / (1 - BETAS[1] ** number)]
        with Context(TRAINING=1):
            loss, norm = self._step(self._tokens(tokens), Tensor(np.array(scale, np.float32)).realize())
        self._steps = number
        return StepResult(float(loss.item()), float(norm.item()), rate)

    def loss(self, tokens: npt.NDArray[np.int32]) -> float:
        """Return nats a token of ``tokens`` (batch, context + 1), without learning from them."""
        return float(self._measure(self._tokens(tokens)).item())

    def weights(self) -> Weights:
        """Return what there is, under the checkpoint's names."""
        return {name: values.numpy().copy() for name, values in self._weights.items()}

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return all that going on takes."""
        state = {name: values.numpy().copy() for name, values in (self._weights | self._moments).items()}
        return state | {"steps": np.array([self._steps], np.float32)}

    def load_state(self, state: Mapping[str, npt.NDArray[np.floating]]) -> None:
        """Go on from what :meth:`state` returned."""
        for name, values in (self._weights | self._moments).items():
            values.assign(Tensor(np.array(state[name], np.float32))).realize()
        self._steps = int(state["steps"][0])

    def _tokens(self, tokens: npt.NDArray[np.int32]) -> Tensor:
        return Tensor(np.ascontiguousarray(tokens, np.int32), device=Device.DEFAULT).realize()

    def _update(self, tokens: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        loss = self._loss(tokens)
        names = list(self._weights)
        found = dict(zip(names, loss.gradient(*(self._weights[name] for name in names)), strict=True))
        norm = sum((each.float().square().sum() for each in found.values()), Tensor(0.0)).sqrt().realize()
        clip = (CLIP / (norm + 1e-6)).minimum(1.0)
        changed = []
        for name, gradient in found.items():
            weight, m, v = self._weights[name], self._moments[f"m.{name}"], self._moments[f"v.{name}"]
            gradient = gradient * clip
            m.assign(BETAS[0] * m + (1 - BETAS[0]) * gradient)
            v.assign(BETAS[1] * v + (1 - BETAS[1]) * gradient.square())
            decay = DECAY if weight.ndim == 2 else 0.0
            step = m * scale[1] / ((v * scale[2]).sqrt() + EPSILON) + decay * weight.detach()
            weight.assign(weight.detach() - scale[0] * step)
            changed += [m, v, weight]
        Tensor.realize(loss, *changed)
        return loss, norm

    def _loss(self, tokens: Tensor) -> Tensor:
        config, weights = self._config, self._weights
        rows, length = self._shape[0], self._shape[1] - 1

        def linear(name: str, x: Tensor) -> Tensor:
            return x.dot(weights[f"{name}.weight"]) + weights[f"{name}.bias"]

        def norm(name: str, x: Tensor) -> Tensor:
            return x.layernorm(eps=config.layer_norm_epsilon) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

        x = weights["wte.weight"][tokens[:, :-1]] + weights["wpe.weight"][:length]
        mask = Tensor.full((length, length), -math.inf).triu(1)
        for layer in range(config.n_layer):
            joined = linear(f"h.{layer}.attn.c_attn", norm(f"h.{layer}.ln_1", x))
            q, k, v = joined.reshape(rows, length, 3, config.n_head, config.head_size).permute(2, 0, 3, 1, 4)
            factor = config.query_factor(layer) / math.sqrt(config.head_size)
            scores = (q * factor).matmul(k.transpose(-1, -2)) + mask
            seen = scores.softmax(-1).matmul(v).transpose(1, 2).reshape(rows, length, config.n_embd)
            x = (x + linear(f"h.{layer}.attn.c_proj", seen)).contiguous()
            inner = linear(f"h.{layer}.mlp.c_fc", norm(f"h.{layer}.ln_2", x)).gelu()
            x = (x + linear(f"h.{layer}.mlp.c_proj", inner)).contiguous()
        head = weights["wte.weight" if config.tied_head else "lm_head.weight"]
        logits = norm("ln_f", x).dot(head.transpose())
        return logits.cast(dtypes.float32).sparse_categorical_crossentropy(tokens[:, 1:])
