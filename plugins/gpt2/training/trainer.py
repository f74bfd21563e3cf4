"""A GPT-2 that learns: forward and backward by tinygrad's autograd, AdamW on fp32 masters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor, dtypes

from plugins.gpt2.model import device as tiny
from plugins.gpt2.model.constants import GPT2Config, tensors
from plugins.gpt2.training.network import lora
from plugins.gpt2.training.network.backend import backend_for
from plugins.gpt2.training.network.estimate import Estimate, Method, estimate, rows_at_once
from plugins.gpt2.training.network.gpt2 import Network
from plugins.gpt2.training.network.optimiser import Recipe
from plugins.gpt2.training.network.schedule import Cosine, Schedule
from plugins.gpt2.training.network.storage import Storage
from plugins.gpt2.training.precision import Precision

__all__ = ["Cosine", "Estimate", "Method", "Recipe", "Schedule", "StepResult", "Trainer", "estimate"]

Floats = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int32]
STEPS = "steps"


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step went: nats a token, the gradient's norm before it was clipped, and the rate."""

    loss: float
    gradient_norm: float
    learning_rate: float


class Trainer:
    """Trains one model; belongs to the thread that imported tinygrad.

    ``weights`` have the checkpoint's canonical names; they are copied. ``threads`` None is every core, ``device`` None
    the one that tinygrad chooses. ``plain`` is for comparisons: tinygrad's own kernels on a CPU too. ``precision`` is
    that of the products' operands on a CPU; bf16 is for processors that multiply it. Raises KeyError
    where a tensor lacks, ValueError where one has another shape or the context is longer than the model's.
    """

    def __init__(
        self,
        config: GPT2Config,
        weights: Mapping[str, npt.NDArray[Any]],
        *,
        method: Method,
        batch: int,
        context: int,
        schedule: Schedule,
        seed: int,
        recipe: Recipe | None = None,
        threads: int | None = None,
        device: str | None = None,
        plain: bool = False,
        precision: Precision = "fp32",
    ) -> None:
        if not 1 <= context <= config.n_positions:
            raise ValueError(f"a context of {context} tokens; this model takes 1 to {config.n_positions}")
        self.config, self.method, self._schedule, self._recipe = config, method, schedule, recipe or Recipe()
        self._shape, self._rows = (batch, context + 1), rows_at_once(batch, context)
        self._memory: list[npt.NDArray[Any]] = []
        backend = backend_for(device, threads, plain=plain, precision=precision)
        self._where = backend.where
        given = {tensor.name: _checked(weights, tensor.name, tensor.shape) for tensor in tensors(config)}
        pairs = lora.initial(config, seed) if method == "lora" else {}
        self._storage = Storage.of(pairs or given, self._where)
        self._trained = self._storage.weights.named
        self._frozen = {name: self._place(values) for name, values in given.items()} if pairs else {}
        self._kept, self._numbers = self._place(np.zeros(1, np.float32)), self._place(np.zeros(4, np.float32))
        self._does = backend.operations(self._storage, self._kept)
        self._network = Network(config, self._frozen | self._trained, self._does)
        self._optimiser = backend.optimiser(self._recipe, self._storage)
        self._tokens, self._targets = (self._place(np.zeros((self._rows, context), np.int32)) for _ in range(2))
        self._learn, self._measure = tiny.captured(self._accumulate), tiny.captured(self._nats)
        self._update = tiny.captured(self._optimiser.update)
        self._steps = 0

    def step(self, tokens: Tokens) -> StepResult:
        """Learn from ``tokens`` (batch, context + 1), each but the last followed by its target."""
        losses = []
        for number, part in enumerate(self._parts(tokens)):
            tiny.write(self._kept, np.array([number > 0], np.float32))
            losses.append(self._nats_of(part, self._learn, self._kept))
        rate = self._schedule.rate(self._steps)
        tiny.write(self._numbers, self._recipe.numbers(rate, self._steps, len(losses)))
        norm = float(tiny.read(self._update(self._numbers))[0])
        self._steps += 1
        return StepResult(float(np.mean(losses)), norm, rate)

    def loss(self, tokens: Tokens) -> float:
        """Return nats a token of ``tokens`` (batch, context + 1), without learning from them."""
        return float(np.mean([self._nats_of(part, self._measure) for part in self._parts(tokens)]))

    def weights(self) -> dict[str, Floats]:
        """Return what there is under the checkpoint's names, LoRA's pairs merged."""
        if not self._frozen:
            return _read(self._trained)
        pairs, made = _read(self._trained), _read(self._frozen)
        for name, values in made.items():  # in place: a large model is here once more, not twice
            lora.add_pair(name, values, pairs)
        return made

    def gradients(self) -> dict[str, Floats]:
        """Return the gradients of the last step, added up over its parts, before they were clipped."""
        return _read(self._storage.sums.named)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that going on takes: what is trained, both moments, and the number of steps."""
        return _read(self._named()) | {STEPS: np.array([self._steps], np.float32)}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what :meth:`state` returned. Raises KeyError or ValueError where it is another model's."""
        named = self._named()
        checked = {name: _checked(state, name, tuple(map(int, tensor.shape))) for name, tensor in named.items()}
        for name, tensor in named.items():
            tiny.write(tensor, checked[name])
        self._steps = int(state[STEPS][0])

    def _named(self) -> dict[str, Tensor]:
        parts = (("m", self._storage.first), ("v", self._storage.second))
        moments = {f"{m}.{name}": each for m, part in parts for name, each in part.named.items()}
        return self._trained | moments

    def _place(self, values: npt.NDArray[Any]) -> Tensor:
        self._memory.append(values)  # tensors on a CPU lie in the array's own memory
        return tiny.place(values, self._where)

    def _parts(self, tokens: Tokens) -> list[Tokens]:
        if tokens.shape != self._shape:
            raise ValueError(f"tokens are {tokens.shape}; this trainer takes (batch, context + 1) = {self._shape}")
        if int(tokens.min()) < 0 or int(tokens.max()) >= self.config.vocab_size:
            raise ValueError(f"tokens are {tokens.min()} to {tokens.max()}; the model has {self.config.vocab_size}")
        return [tokens[first : first + self._rows] for first in range(0, len(tokens), self._rows)]

    def _nats_of(self, part: Tokens, run: Callable[..., Tensor], *rest: Tensor) -> float:
        tiny.write(self._tokens, part[:, :-1].astype(np.int32))
        tiny.write(self._targets, part[:, 1:].astype(np.int32))
        return float(tiny.read(run(self._tokens, self._targets, *rest))[0])

    def _nats(self, tokens: Tensor, targets: Tensor) -> Tensor:
        return self._network.nats(tokens, targets).cast(dtypes.float32).reshape(1).contiguous().realize()

    def _accumulate(self, tokens: Tensor, targets: Tensor, kept: Tensor) -> Tensor:
        loss = self._network.nats(tokens, targets)
        told = loss.reshape(1).contiguous()
        Tensor.realize(told, *self._does.gradients(loss, self._trained, self._storage.sums.named, kept))
        return told


def _checked(arrays: Mapping[str, npt.NDArray[Any]], name: str, shape: tuple[int, ...]) -> Floats:
    """Return a copy in fp32."""
    if name not in arrays:
        raise KeyError(f"there is no {name!r} among the {len(arrays)} tensors")
    if arrays[name].shape != shape:
        raise ValueError(f"{name} is {arrays[name].shape}, expected {shape}")
    return np.array(arrays[name], np.float32)


def _read(named: Mapping[str, Tensor]) -> dict[str, Floats]:
    return {name: tiny.read(tensor).reshape(tensor.shape) for name, tensor in named.items()}
