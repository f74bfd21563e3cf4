"""All of tinygrad's private parts that the model touches, here and in ``graph_runner.py`` (tinygrad is pinned exactly).

``tests/plugins/gpt2/model/test_device.py`` names each of them, and what broke when the pin moves.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from tinygrad import Device, Tensor, TinyJit, UOp, dtypes, helpers
from tinygrad.codegen import do_to_program, to_program
from tinygrad.codegen.opt import Opt, OptOps
from tinygrad.device import TinyELF
from tinygrad.dtype import DType, _from_np_dtype
from tinygrad.engine.realize import get_runtime
from tinygrad.renderer import Estimates
from tinygrad.runtime import ops_cpu
from tinygrad.uop.ops import AxisType, KernelInfo, Ops, ProgramInfo

from plugins.gpt2.model.cache.kernel_cache import KernelCache
from plugins.gpt2.model.target import compiler
from plugins.gpt2.model.target.device_names import is_cpu

Captured = TypeVar("Captured", bound=Callable[..., Any])


def _version() -> str:
    """Return tinygrad's version, read off the folder that pip made beside it where there is just one.

    ``importlib.metadata`` reads the same folder, and imports a parser of mails for it, which takes 0.04 s.
    """
    name = "tinygrad"
    folders = list(Path(inspect.getfile(Tensor)).parents[1].glob(f"{name}-*.dist-info"))
    if len(folders) == 1:
        return folders[0].name.removeprefix(f"{name}-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version(name)


TINYGRAD_VERSION = _version()

DTYPES: dict[str, DType] = {"fp32": dtypes.float32, "fp16": dtypes.float16}
"""What a KV cache may be made of."""


def share_kernel_cache() -> None:
    """Have tinygrad's kernel cache opened by us: for every thread, at most once, and without any error of its own."""
    helpers.db_connection = _shared_connection


def _shared_connection() -> KernelCache:
    """Stand in for ``helpers.db_connection``."""
    if not _opened:
        path = Path(helpers.CACHEDB)
        _opened.append(KernelCache(path, ours=path.name.startswith(compiler.KERNELS), gone=_do_without))
    return _opened[0]


def _do_without() -> None:
    helpers.CACHELEVEL.value = 0


_opened: list[KernelCache] = []
share_kernel_cache()


def _lowered_once(ast: UOp, renderer: Any) -> UOp:
    """Lower a program as tinygrad does, or take it from the kernel cache."""
    key = f"{TINYGRAD_VERSION} {ast.key.hex()} {renderer.target}"
    if (kept := helpers.diskcache_get("townhall_lowered", key)) is not None:
        return kept
    return helpers.diskcache_put("townhall_lowered", key, do_to_program(ast, renderer))


# Opening the CPU device lowers four small programs of its own, 0.2 s of Python at every start.
ops_cpu.do_to_program = _lowered_once


def default_device() -> str | None:
    """Return the device that tinygrad chooses, CUDA, METAL, AMD…, CPU, or what ``DEV`` says; None: it can open none."""
    try:
        return str(Device.canonicalize(None))
    except RuntimeError:
        return None


def open_device(name: str) -> None:
    """Open one of tinygrad's devices; raise RuntimeError with the cure where this machine has none of that name."""
    try:
        Device[name]
    except Exception as error:  # a module, a library or a driver that is not there: each device fails in its own way
        raise RuntimeError(
            f"tinygrad cannot open the device {name!r}: {error}. Leave TOWNHALL_GPT2_DEVICE empty for the best there "
            "is, or set it to CPU."
        ) from error


def captured(step: Callable[..., Tensor]) -> TinyJit[Tensor]:
    """Return ``step`` as a TinyJit that is captured at its first call, without a rehearsal run before."""
    jit: TinyJit[Tensor] = TinyJit(step)
    jit.cnt = 1  # 0 would run it uncaptured once, which costs seconds at the start and needs every variable bound
    return jit


def write(tensor: Tensor, values: npt.NDArray[Any]) -> None:
    """Overwrite a realized tensor's memory. Far cheaper than making a new tensor for each step."""
    buffer = tensor.uop.buffer
    buffer.allocator._copyin(buffer._buf, np.ascontiguousarray(values).data.cast("B"))


def read(tensor: Tensor) -> npt.NDArray[np.float32]:
    """Return a copy of a realized fp32 tensor's memory, flat."""
    return np.frombuffer(tensor.uop.buffer.as_memoryview(allow_zero_copy=True), np.float32).copy()


def span(tensor: Tensor) -> tuple[int, int]:
    """Return address and bytes of a realized tensor on the CPU."""
    buffer = tensor.uop.buffer
    return buffer._buf.va_addr, buffer.nbytes


def run_kernel(out: Tensor, *inputs: Tensor, kernel: Callable[..., UOp]) -> Tensor:
    """Launch a kernel of ``kernels.py`` into ``out`` and return it, ordered after the launch."""
    return Tensor.custom_kernel(out, *inputs, fxn=kernel)[0]


def place(array: npt.NDArray[Any], where: str) -> Tensor:
    """Return an array as a realized tensor. On a CPU it stays in place: the caller keeps it while the tensor lives."""
    if is_cpu(where):
        dtype = _from_np_dtype(array.dtype)
        return Tensor.from_blob(array.ctypes.data, array.shape, dtype=dtype, device=where)
    # Drivers copy from writable memory only, and what is mapped from a file is not.
    return Tensor(array if array.flags.writeable else array.copy(), device=where).realize()


REDUCE = AxisType.REDUCE
"""The kind of a kernel's range that is summed over."""
ADD, MAX = Ops.ADD, Ops.MAX
"""What a reduction does."""


def kernel_of(name: str, store: UOp, *ranges: UOp, upcasts: Sequence[tuple[int, int]] | None) -> UOp:
    """Return a kernel for :func:`run_kernel`: a ``store`` for every index of its ``ranges``.

    ``upcasts`` are (axis, steps) that are kept in registers; None leaves them to tinygrad's heuristics.
    """
    options = None if upcasts is None else tuple(Opt(OptOps.UPCAST, axis, steps) for axis, steps in upcasts)
    return store.end(*ranges).sink(arg=KernelInfo(name=name, opts_to_apply=options))


def c_program(name: str, source: str, arguments: Sequence[UOp], *, outputs: int, slices: int) -> UOp:
    """Return C source as a launch of ``slices`` calls ``name(arguments…, slice)``; the first ``outputs`` are written.

    ``arguments`` are a custom kernel's placeholders. tinygrad compiles the source, caches the object by its text, and
    passes the number of the slice as its own runtime variable ``core_id``.
    """
    params = tuple(argument.base for argument in arguments)
    core = UOp.variable("core_id", 0, max(slices - 1, 1), dtypes.int, param=True)
    info = ProgramInfo(
        name=name,
        global_size=(slices, 1, 1),
        vars=(core,),
        globals=tuple(range(len(params))),
        outs=tuple(range(outputs)),
        ins=tuple(range(len(params))),
        target=Device["CPU"].renderer.target,
    )
    sink = UOp.sink(*params, core, arg=KernelInfo(name=name, estimates=Estimates()))
    return UOp(Ops.PROGRAM, src=(sink, UOp(Ops.LINEAR, src=params), UOp(Ops.SOURCE, arg=source)), arg=info)


def load_binary(name: str, code: bytes) -> Any:
    """Load an object that tinygrad compiled for this CPU; ``addr`` of the result is its first function's address."""
    return Device["CPU"].runtime(TinyELF(code, name, Device["CPU"].renderer.target, (), b""))


def load_c(name: str, source: str) -> Callable[..., None]:
    """Compile C source for the CPU and return its first function, to be called with ``ctypes.c_uint64`` arguments.

    The call runs without the interpreter's lock.
    """
    renderer = Device["CPU"].renderer
    program = to_program(c_program(name, source, (), outputs=0, slices=1), renderer)
    loaded = get_runtime("CPU", program)
    entry: Callable[..., None] = loaded.fxn
    return entry
