"""A step that TinyJit captured on the CPU, in plain numbers; what ``device.py`` begins, the private part of capturing.

tinygrad asks a device for a graph to replay a captured step with; its ``runtime/graph/cuda.py`` and ``metal.py`` are
such graphs. Its CPU has none, so that one is given to it here, made of what the caller makes of the launches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tinygrad import Device, UOp
from tinygrad.engine.jit import GraphRunner
from tinygrad.engine.realize import graph_cache


@dataclass(frozen=True, slots=True)
class CapturedLaunch:
    """One kernel of a step: where its function is, and what it is called with."""

    name: str
    """The kernel's."""
    code: bytes
    """The compiled object that the function is in."""
    function: int
    """Its address."""
    buffers: tuple[int, ...]
    """The addresses of its first arguments."""
    owners: tuple[tuple[int, int], ...]
    """Of each of these buffers the address and the bytes of the allocation that it lies in."""
    inputs: tuple[tuple[int, int], ...]
    """(argument, input): which arguments are the addresses of which inputs of the step."""
    variables: tuple[tuple[int, str], ...]
    """(argument, name) of further arguments that are numbers."""
    slices: int
    slice_argument: int | None
    """Which argument takes the number of the slice; None: the kernel is called once, without one."""

    @property
    def arguments(self) -> int:
        """How many arguments there are."""
        return len(self.buffers) + len(self.variables) + (self.slice_argument is not None)


class Replay(Protocol):
    """Runs the launches that it was made of."""

    def run(self, inputs: Sequence[int], variables: Mapping[str, int]) -> None:
        """Run the step with the addresses of its inputs and the values of its variables; return when it is done."""
        ...


def replay_with(make: Callable[[Sequence[CapturedLaunch]], Replay], most_arguments: int) -> None:
    """Have steps captured on the CPU from now on replayed by what ``make`` returns.

    A kernel with more arguments than ``most_arguments`` is left to tinygrad.
    """

    class Runner(GraphRunner):  # type: ignore[misc] # tinygrad's classes are untyped here, see pyproject.toml
        def __init__(self, linear: UOp, input_uops: tuple[UOp, ...] = ()) -> None:
            super().__init__(linear, input_uops)
            names = dict.fromkeys(self.vars, 0)
            parts = zip(self.calls, self.runtimes, self.uop_replace, strict=True)
            self.replay = make(
                [_launch(program, buffers, loaded, inputs, names) for (_, program, buffers, _), loaded, inputs in parts]
            )

        def __call__(self, input_uops: tuple[UOp, ...], var_vals: dict[str, int], wait: bool = False) -> None:
            self.replay.run([_address(uop.buffer) for uop in input_uops], var_vals)

        @staticmethod
        def supports_uop(batch_devs: list[Any], new_call: UOp) -> bool:
            if not GraphRunner.supports_uop(batch_devs, new_call):
                return False
            program = new_call.src[0].arg
            return len(program.globals) + len(program.vars) <= most_arguments

    Device["CPU"].graph = Runner


def replay_of(jit: Any) -> Replay | None:
    """Return what replays a captured TinyJit, or None where tinygrad does some of its step by other means."""
    calls = jit.captured.linear.src
    runner = graph_cache.get(calls[0].src[0]) if len(calls) == 1 else None
    replay: Replay | None = getattr(runner, "replay", None)
    return replay


def _launch(
    program: UOp, buffers: Sequence[Any], loaded: Any, inputs: Sequence[tuple[int, int]], names: Mapping[str, int]
) -> CapturedLaunch:
    """Read a launch off tinygrad's program: ``inputs`` are (buffer, input of the step), ``names`` all variables."""
    info = program.arg
    order, core = list(info.globals), info.runtimevars.get("core_id")
    used = [buffers[index] for index in order]
    return CapturedLaunch(
        name=info.name,
        code=program.src[-1].arg,
        function=loaded.addr,
        buffers=tuple(_address(buffer) for buffer in used),
        owners=tuple((_address(buffer.base), buffer.base.nbytes) for buffer in used),
        inputs=tuple((order.index(index), source) for index, source in inputs if index in order),
        variables=tuple((len(order) + at, var.expr) for at, var in enumerate(info.vars) if at != core),
        slices=1 if core is None else info.launch_dims(names)[0][0],
        slice_argument=None if core is None else len(order) + core,
    )


def _address(buffer: Any) -> int:
    address: int = buffer._buf.va_addr
    return address
