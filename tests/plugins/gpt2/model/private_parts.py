"""Every private part of tinygrad that the model stands on, by name: what needs it, and what we know of it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tinygrad.codegen
import tinygrad.device
import tinygrad.engine.jit
import tinygrad.engine.realize
import tinygrad.runtime.ops_cpu
import tinygrad.runtime.support.compiler_cpu
from tinygrad import Device, Tensor, TinyJit, UOp, dtypes, helpers
from tinygrad.codegen.opt import Opt, OptOps
from tinygrad.dtype import DType, _from_np_dtype
from tinygrad.renderer import Estimates
from tinygrad.uop.ops import AxisType, KernelInfo, Ops, ProgramInfo

from plugins.gpt2.model import device
from plugins.gpt2.model.cpu import graph_runner
from plugins.gpt2.model.packing import STORED
from plugins.gpt2.model.target.device_names import DEVICES, canonical


def parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


def fields(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def on_cpu(*values: float) -> Tensor:
    return Tensor(np.array(values, np.float32), device="CPU").realize()


def nothing() -> UOp:
    return device.c_program("nothing", "void nothing(int core_id) {}", (), outputs=0, slices=2)


class Recorder:
    """A step of two kernels on the CPU, captured as the model's are, and what came of it."""

    def __init__(self) -> None:
        self.launches: Sequence[graph_runner.CapturedLaunch] = ()
        self.runs: list[tuple[Sequence[int], Mapping[str, int]]] = []
        before = Device["CPU"].graph
        graph_runner.replay_with(self._made, most_arguments=12)
        try:
            self.given = on_cpu(1, 2)
            self.jit = device.captured(lambda x: ((x + 1).contiguous() * 2).realize())
            self.jit(self.given)
        finally:
            Device["CPU"].graph = before

    def _made(self, launches: Sequence[graph_runner.CapturedLaunch]) -> Recorder:
        self.launches = launches
        return self

    def run(self, inputs: Sequence[int], variables: Mapping[str, int]) -> None:
        self.runs.append((inputs, variables))


def a_capture_is_two_launches_with_addresses() -> bool:
    step = Recorder()
    (first, second), (address, size) = step.launches, device.span(step.given)
    chained = first.buffers[0] in second.buffers and first.buffers[0] != second.buffers[0]
    reads = (first.buffers[1], first.owners[1], first.inputs) == (address, (address, size), ((1, 0),))
    return chained and reads and step.runs == [([address], {})]


def the_graph_of_a_capture_is_found() -> bool:
    step = Recorder()
    return graph_runner.replay_of(step.jit) is step


def tensors_lie_in_arrays_of_every_type() -> bool:
    kinds = [np.dtype(kept) for _, kept in STORED.values()]
    return [_from_np_dtype(kind).itemsize for kind in kinds] == [kind.itemsize for kind in kinds]


def a_function_has_address_and_call() -> bool:
    program = tinygrad.codegen.to_program(nothing(), Device["CPU"].renderer)
    loaded = tinygrad.engine.realize.get_runtime("CPU", program)
    return loaded.addr > 0 and callable(loaded.fxn)


def a_program_tells_slices_and_variables() -> bool:
    core = UOp.variable("core_id", 0, 1, dtypes.int, param=True)
    info = ProgramInfo(name="f", vars=(core,), global_size=(2, 1, 1))
    known = {"globals", "outs", "ins", "target"} <= fields(ProgramInfo)
    return known and info.launch_dims({})[0][0] == 2 and info.runtimevars == {"core_id": 0}


def the_cpu_device_lowers_through_us() -> bool:
    calls = "do_to_program(" in inspect.getsource(tinygrad.runtime.ops_cpu.CPUDevice)
    return calls and bool(tinygrad.runtime.ops_cpu.do_to_program is device._lowered_once)


def the_cache_asks_for_its_connection() -> bool:
    readers = (helpers.diskcache_get, helpers.diskcache_put)
    return all("db_connection" in reader.__code__.co_names for reader in readers)


def names_are_canonical() -> bool:
    given = [name + number for name in DEVICES for number in ("", ":0", ":1") if name + number != "CPU:1"]
    return all(canonical(name) == canonical(name.lower()) == Device.canonicalize(name.lower()) for name in given)


def a_buffer_is_at_its_array() -> bool:
    array = np.zeros(4, np.float32)
    return device.span(device.place(array, "CPU")) == (array.ctypes.data, 16)


def a_tensor_is_written() -> bool:
    tensor = on_cpu(1, 2)
    device.write(tensor, np.array([3, 4], np.float32))
    return device.read(tensor).tobytes() == np.array([3, 4], np.float32).tobytes()


def a_blob_stays_in_place() -> bool:
    array = np.array([1, 2], np.float32)
    tensor = device.place(array, "CPU")
    array[0] = 5
    return bool((tensor.numpy() == array).all())


def the_environment_is_read() -> bool:
    reads_cc = 'getenv("CC"' in inspect.getsource(tinygrad.runtime.support.compiler_cpu)
    return reads_cc and (helpers.PARALLEL.value, helpers.JIT_BATCH_SIZE.value) == (0, 0)


PARTS: dict[str, tuple[str, Callable[[], object]]] = {
    "the environment": ("CC, no processes for compiling, one graph for a whole step", the_environment_is_read),
    "helpers.CACHEDB": ("where kernels are kept", lambda: Path(helpers.CACHEDB).suffix == ".db"),
    "helpers.CACHELEVEL": ("doing without a cache", lambda: helpers.CACHELEVEL.value == 2),
    "helpers.db_connection": ("one kernel cache for every thread", the_cache_asks_for_its_connection),
    "helpers.diskcache_get": (
        "keeping what was lowered",
        lambda: parameters(helpers.diskcache_get) == ["table", "key"],
    ),
    "helpers.diskcache_put": (
        "keeping what was lowered",
        lambda: parameters(helpers.diskcache_put)[:3] == ["table", "key", "val"],
    ),
    "device.ALL_DEVICES": (
        "the devices that a host may name",
        lambda: set(DEVICES) == set(tinygrad.device.ALL_DEVICES) - {"DSP"},
    ),
    "Device.canonicalize": ("one spelling of each device", names_are_canonical),
    "Compiled.graph": (
        "a graph for the CPU, which has none of its own",
        lambda: "graph" in parameters(tinygrad.device.Compiled.__init__),
    ),
    "Compiled.renderer": ("compiling C source", lambda: Device["CPU"].renderer.target.device == "CPU"),
    "Compiled.runtime": ("loading a kept step's machine code", lambda: callable(Device["CPU"].runtime)),
    "device.TinyELF": (
        "loading a kept step's machine code",
        lambda: parameters(tinygrad.device.TinyELF) == ["lib", "name", "target", "signature", "profile_key"],
    ),
    "dtype.DType": ("the types of a cache", lambda: isinstance(dtypes.float16, DType)),
    "dtype._from_np_dtype": ("tensors that lie in NumPy's arrays", tensors_lie_in_arrays_of_every_type),
    "codegen.do_to_program": (
        "the CPU's own four programs, lowered once and then kept",
        lambda: tinygrad.codegen.do_to_program(nothing(), Device["CPU"].renderer).op is Ops.PROGRAM,
    ),
    "runtime.ops_cpu.do_to_program": ("a start without lowering them again", the_cpu_device_lowers_through_us),
    "codegen.to_program": (
        "compiling C source",
        lambda: tinygrad.codegen.to_program(nothing(), Device["CPU"].renderer).op is Ops.PROGRAM,
    ),
    "codegen.opt.Opt": ("tiles of UOp kernels in registers", lambda: parameters(Opt) == ["op", "axis", "arg"]),
    "codegen.opt.OptOps": ("tiles of UOp kernels in registers", lambda: OptOps.UPCAST in OptOps),
    "engine.realize.get_runtime": ("calling compiled functions", a_function_has_address_and_call),
    "engine.realize.graph_cache": ("finding the graph of a captured step", the_graph_of_a_capture_is_found),
    "engine.jit.GraphRunner": ("the launches of a captured step", a_capture_is_two_launches_with_addresses),
    "renderer.Estimates": ("a program's description", lambda: Estimates() is not None),
    "uop.ops.AxisType": ("sums in UOp kernels", lambda: AxisType.REDUCE in AxisType),
    "uop.ops.KernelInfo": (
        "names and tiles of kernels",
        lambda: {"name", "opts_to_apply", "estimates"} <= fields(KernelInfo),
    ),
    "uop.ops.Ops": (
        "sums and maxima in UOp kernels, and C source as a program",
        lambda: {Ops.ADD, Ops.MAX, Ops.PROGRAM, Ops.LINEAR, Ops.SOURCE} <= set(Ops),
    ),
    "uop.ops.ProgramInfo": ("C source as a program, and its slices", a_program_tells_slices_and_variables),
    "TinyJit.cnt": (
        "a capture at the first call, without a rehearsal",
        lambda: (TinyJit(nothing).cnt, device.captured(on_cpu).cnt) == (0, 1),
    ),
    "TinyJit.captured": (
        "whether a step is one graph and nothing else",
        lambda: len(Recorder().jit.captured.linear.src) == 1,
    ),
    "Tensor.uop": ("a tensor's buffer", lambda: isinstance(on_cpu(1).uop.buffer, tinygrad.device.Buffer)),
    "Buffer._buf": ("the address of a tensor on the CPU", a_buffer_is_at_its_array),
    "Buffer.base": ("the allocation that a tensor lies in", lambda: on_cpu(1, 2).uop.buffer.base.nbytes == 8),
    "Buffer.as_memoryview": ("reading logits", lambda: device.read(on_cpu(1, 2)).tolist() == [1, 2]),
    "Allocator._copyin": ("writing a step's inputs", a_tensor_is_written),
    "Tensor.from_blob": ("weights that stay where they are mapped", a_blob_stays_in_place),
    "Tensor.custom_kernel": (
        "launching kernels of our own",
        lambda: parameters(Tensor.custom_kernel)[:3] == ["self", "lst", "fxn"],
    ),
}
"""A private part → what needs it, and whether it is as we know it."""
