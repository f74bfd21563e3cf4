"""All of tinygrad's private parts that the model touches, in one place (tinygrad is pinned exactly).

A test names what broke here when the pin moves. Everything of tinygrad belongs to one thread: the one that imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from tinygrad import Device, Tensor, TinyJit, UOp, dtypes
from tinygrad.dtype import DType

Captured = TypeVar("Captured", bound=Callable[..., Any])

DTYPES: dict[str, DType] = {
    "fp32": dtypes.float32,
    "fp16": dtypes.float16,
    "bf16": dtypes.bfloat16,
    "int8": dtypes.int8,
}


def default_device() -> str:
    """Return the device that tinygrad chose: CUDA, METAL, AMD…, CPU, or what ``DEV`` says."""
    return str(Device.DEFAULT)


def captured(step: Callable[..., Tensor]) -> TinyJit[Tensor]:
    """Return ``step`` as a TinyJit that is captured at its first call, without a rehearsal run before."""
    jit: TinyJit[Tensor] = TinyJit(step)
    jit.cnt = 1  # 0 would run it uncaptured once, which costs seconds at the start and needs every variable bound
    return jit


def write(tensor: Tensor, values: npt.NDArray[Any]) -> None:
    """Overwrite a realized tensor's memory. Far cheaper than making a new tensor for each step."""
    buffer = tensor.uop.buffer
    buffer.allocator._copyin(buffer._buf, memoryview(np.ascontiguousarray(values)).cast("B"))


def read(tensor: Tensor) -> npt.NDArray[np.float32]:
    """Return a copy of a realized fp32 tensor's memory, flat."""
    return np.frombuffer(tensor.uop.buffer.as_memoryview(allow_zero_copy=True), np.float32).copy()


def run_kernel(out: Tensor, *inputs: Tensor, kernel: Callable[..., UOp]) -> Tensor:
    """Launch a kernel of ``kernels.py`` into ``out`` and return it, ordered after the launch."""
    return Tensor.custom_kernel(out, *inputs, fxn=kernel)[0]


def upload(values: npt.NDArray[np.float32], weights: str, where: str) -> Tensor:
    """Return fp32 values as a realized tensor of dtype fp32, fp16 or bf16 on ``where``; narrowed on the host."""
    if weights == "bf16":
        bits = values.view(np.uint32)
        nearest = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # round half to even
        return Tensor(nearest, device=where).bitcast(dtypes.bfloat16).realize()
    return Tensor(values if weights == "fp32" else values.astype(np.float16), device=where).realize()
