"""What a training is to be: its method, its sizes, what it takes. Fits it into the machine, or says what would fit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from plugins.gpt2.model.constants import GPT2Config
from plugins.gpt2.training.precision import Precision
from townhall_bot.i18n.formatting import format_bytes
from townhall_bot.machine.files import write_atomically

Method = Literal["full", "lora"]
NAME = "plan.json"

FULL_UP_TO = 200_000_000
"""Parameters from which on a few matrices beside the weights are trained (LoRA), where the host chooses nothing."""
CONTEXT = 512
SHORTEST_CONTEXT = 64
STEPS = 200
"""So many steps a run should have, where the machine is slow or the texts are few: a step reads fewer tokens then."""
TOKENS_PER_STEP = (512, 4096)
FEW = 1024
"""Tokens a step of however few texts: with half of it, two books were foretold worse."""
RATES = {"full": 3e-4, "lora": 5e-4, "new": 1.5e-3}
"""The highest learning rate of a model with the embedded one's parameters; with more, it is lower."""
RATE_PARAMETERS = 10_000_000
PASSES = 3
"""So often a model that is there reads its texts until the rate is at its lowest: then it begins to fit them alone."""
REACHED = 0.4
"""The share of what the processor's cores multiply, each at its best, that training makes use of, about."""


class DoesNotFit(ValueError):
    """Memory or disk do not suffice; the message says what would."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A training as it is kept for ``--resume``. ``source`` is the model that it begins with, "" where it is new."""

    name: str
    source: str
    texts: str
    """The name of the texts' folder; never a path."""
    kinds: dict[str, int]
    """How many files of each kind were read."""
    replaced_names: bool
    method: Method
    batch: int
    context: int
    minutes: float
    learning_rate: float
    seed: int
    precision: Precision = "fp32"
    """That of the products; a plan of an earlier version says nothing of it."""


@dataclass(frozen=True, slots=True)
class Need:
    """What training takes: bytes of memory, and floating-point operations a token."""

    memory_bytes: int
    flops_per_token: float


Estimating = Callable[[Method, int, int], Need]
"""Tells what a method, a batch and a context take."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What :func:`fit` decided."""

    method: Method
    batch: int
    context: int
    need: Need
    tokens_per_s: float


def fit(
    config: GPT2Config,
    estimating: Estimating,
    *,
    method: Method | None,
    batch: int | None,
    seconds: float,
    shortest: int,
    tokens: int,
    new: bool,
    free: int | None,
    flops: float,
) -> Sizes:
    """Choose the method, the batch and the context for this machine.

    ``tokens`` are those to learn from, ``shortest`` the lesser count of them and of the held-out ones; ``free`` the
    memory in bytes, None where it is not known; ``flops`` what all cores make in a second.

    Raises :class:`DoesNotFit`, saying what would fit.
    """
    chosen: Method = method or ("full" if config.parameters <= FULL_UP_TO else "lora")
    context = max(min(CONTEXT, config.n_positions, shortest - 1), min(SHORTEST_CONTEXT, config.n_positions))
    speed = REACHED * flops / estimating(chosen, 1, context).flops_per_token
    low, high = TOKENS_PER_STEP
    wanted = min(high, max(low, speed * seconds / STEPS))
    if _settles(chosen, new=new):
        wanted = min(wanted, max(FEW, PASSES * tokens / STEPS))
    context = context if wanted >= context else max(min(SHORTEST_CONTEXT, context), context // 2)
    rows = batch or max(1, int(wanted) // context)
    need = estimating(chosen, rows, context)
    while free is not None and need.memory_bytes > free and rows > 1 and batch is None:
        rows //= 2
        need = estimating(chosen, rows, context)
    if free is not None and need.memory_bytes > free:
        raise DoesNotFit(_cure(config, estimating, chosen, rows, context, need, free))
    return Sizes(chosen, rows, context, need, speed)


def _cure(
    config: GPT2Config, estimating: Estimating, method: Method, rows: int, context: int, need: Need, free: int
) -> str:
    takes = f"training it takes {format_bytes(need.memory_bytes)} of memory, and {format_bytes(free)} are free."
    if rows > 1 and (small := estimating(method, 1, context)).memory_bytes <= free:
        return f"{takes} --batch 1 takes {format_bytes(small.memory_bytes)}."
    if method == "full" and (small := estimating("lora", 1, context)).memory_bytes <= free:
        return f"{takes} --method lora takes {format_bytes(small.memory_bytes)}."
    return f"{takes} Stop what takes memory, or train a smaller model: --from townhall-mini is the smallest."


def check_disk(folder: Path, config: GPT2Config, text_bytes: int, free: int) -> None:
    """Raise :class:`DoesNotFit` where ``free`` bytes do not hold the tokens, two states and the result."""
    needed = text_bytes + 34 * config.parameters
    if needed > free:
        raise DoesNotFit(
            f"training it takes {format_bytes(needed)} of disk, and {format_bytes(free)} are free in {folder}. "
            "Free some, or let TOWNHALL_DATA_DIR name a folder on another disk."
        )


def learning_rate(config: GPT2Config, method: Method, *, new: bool) -> float:
    """Return the highest rate: that of the embedded model, less with the root of what is larger."""
    highest = RATES["new" if new else method]
    return float(f"{highest * min(1.0, math.sqrt(RATE_PARAMETERS / config.parameters)):.2g}")


def settled_at(plan: Plan, tokens: int) -> int | None:
    """Return the step at which the rate is at its lowest, of a training on so many ``tokens``.

    None is where the time is over.
    """
    if not _settles(plan.method, new=not plan.source):
        return None
    return max(1, PASSES * tokens // (plan.batch * plan.context))


def _settles(method: Method, *, new: bool) -> bool:
    """A new model learns from what it has read more often, and so do LoRA's few numbers."""
    return method == "full" and not new


def write_plan(folder: Path, plan: Plan) -> None:
    """Keep a plan. Raises OSError."""
    with write_atomically(folder / NAME) as file:
        file.write(json.dumps(asdict(plan)).encode())


def read_plan(folder: Path) -> Plan | None:
    """Return the plan that is kept in a run's folder, None where there is none."""
    try:
        return Plan(**json.loads((folder / NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None
