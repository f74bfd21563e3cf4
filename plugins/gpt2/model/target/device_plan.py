"""On which device a model runs, and how its weights are kept there: one decision, for planning and for loading.

tinygrad is asked only where there is a choice to make, so that importing this, and planning on a machine without a
GPU, cost nothing.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.target import compiler
from plugins.gpt2.model.target.device_names import CPU, canonical, is_cpu


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """``device`` is a canonical name; ``weights`` is how the matrices are kept on it."""

    device: str
    weights: Weights

    @property
    def is_cpu(self) -> bool:
        """Whether the model lives in this machine's own memory."""
        return is_cpu(self.device)


def plan_for(device: str | None, weights: Weights | None) -> DevicePlan:
    """Decide. ``device`` None is the one that tinygrad chooses; ``weights`` None is int8 on a CPU and fp16 elsewhere.

    Where there may be a GPU, tinygrad is imported and opens it, once: a second or two, not for the event loop. Raises
    ValueError where ``device`` is no name of a device, or tinygrad cannot choose.
    """
    chosen = canonical(device) if device is not None else _surely() or _ask_tinygrad()
    return DevicePlan(chosen, weights or ("int8" if is_cpu(chosen) else "fp16"))


def known_plan(device: str | None, weights: Weights | None) -> DevicePlan | None:
    """Return what :func:`plan_for` returns, or None where tinygrad has yet to be asked."""
    if device is None and _surely() is None and not _ask_tinygrad.cache_info().currsize:
        return None
    return plan_for(device, weights)


def open_device(device: str) -> None:
    """Open a device by its canonical name; raise RuntimeError with the cure where this machine has none of that name.

    Raises ``compiler.NoCompiler`` on a CPU where none works.
    """
    compiler.use()
    if is_cpu(device):
        compiler.choose()
    from plugins.gpt2.model import device as tiny  # imports tinygrad, which reads what use() has set

    tiny.open_device(device)


def _surely() -> str | None:
    """Return the device that tinygrad will choose, where that needs no tinygrad to tell."""
    return CPU if os.environ.get("DEV") == CPU or compiler.only_cpu() else None


@functools.cache
def _ask_tinygrad() -> str:
    compiler.use()
    try:
        from plugins.gpt2.model import device as tiny  # imports tinygrad, which reads what use() has set

        # Where it can open none, not even a CPU, there is no compiler: opening the CPU will say so.
        return tiny.default_device() or CPU
    except Exception as error:  # DEV is no device, or variables are set that it does not take any more
        cure = "Set TOWNHALL_GPT2_DEVICE to the one to use."
        raise ValueError(f"tinygrad cannot choose a device: {error}. {cure}") from error
