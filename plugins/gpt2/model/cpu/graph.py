"""Gives tinygrad's CPU device a graph: TinyJit hands over a captured step, a :class:`Team` replays it.

``runtime/graph/cuda.py`` and ``metal.py`` of tinygrad do the same for their devices.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
from tinygrad import Device, UOp
from tinygrad.engine.jit import GraphRunner

from plugins.gpt2.model.cpu.team import HEADER, LAUNCH_WORDS, MOST_ARGUMENTS, NO_SLICE, Team


class CPUGraph(GraphRunner):  # type: ignore[misc] # tinygrad's classes are untyped here, see pyproject.toml
    """One captured step as a table of launches. Built and called by tinygrad."""

    latest: ClassVar[CPUGraph | None] = None
    """The graph that was built last; ``cpu_steps`` records it."""

    def __init__(self, linear: UOp, input_uops: tuple[UOp, ...] = (), *, team: Team) -> None:
        super().__init__(linear, input_uops)
        self.team = team
        self.function = linear
        self.codes: list[bytes] = []
        """Of each launch the compiled object."""
        self.bases: list[list[tuple[int, int]]] = []
        """Of each launch's buffers the address and size of the allocation that they lie in."""
        self.table = np.zeros((len(self.calls), LAUNCH_WORDS), np.uint64)
        self.inputs: list[tuple[int, int, int]] = []
        self.variables: list[tuple[int, int, str]] = []
        for index, ((_, program, buffers, _), runtime, replaced) in enumerate(
            zip(self.calls, self.runtimes, self.uop_replace, strict=True)
        ):
            order, variables = list(program.arg.globals), program.arg.vars
            slices = program.arg.launch_dims(dict.fromkeys(self.vars, 0))[0][0]
            core = program.arg.runtimevars.get("core_id")
            slot = NO_SLICE if core is None else len(order) + core
            arguments = len(order) + len(variables)
            self.table[index, :HEADER] = runtime.addr, 1 if core is None else slices, slot, arguments, 0, 0
            self.codes.append(program.src[-1].arg)
            owners = [buffers[buffer].base for buffer in order]
            self.bases.append([(owner._buf.va_addr, owner.nbytes) for owner in owners])
            for place, buffer in enumerate(order):
                self.table[index, HEADER + place] = buffers[buffer]._buf.va_addr
            self.inputs += [
                (index, HEADER + order.index(place), source) for place, source in replaced if place in order
            ]
            self.variables += [
                (index, HEADER + len(order) + place, variable.expr)
                for place, variable in enumerate(variables)
                if variable.expr != "core_id"
            ]
        CPUGraph.latest = self

    def whole(self, jit: Any) -> bool:
        """Whether this graph is all that a captured TinyJit runs."""
        calls = jit.captured.linear.src
        return len(calls) == 1 and calls[0].src[0] is self.function

    def __call__(self, input_uops: tuple[UOp, ...], var_vals: dict[str, int], wait: bool = False) -> None:
        """Run the step; returns when it is done, so there is nothing to ``wait`` for."""
        for row, column, source in self.inputs:
            self.table[row, column] = input_uops[source].buffer._buf.va_addr
        for row, column, name in self.variables:
            self.table[row, column] = var_vals[name]
        self.team.run(self.table)

    def __del__(self) -> None:
        self.team.settle()

    @staticmethod
    def supports_uop(batch_devs: list[Any], new_call: UOp) -> bool:
        """Take every compiled kernel whose arguments fit a launch."""
        if not GraphRunner.supports_uop(batch_devs, new_call):
            return False
        program = new_call.src[0].arg
        return len(program.globals) + len(program.vars) <= MOST_ARGUMENTS


@functools.cache
def team_of(threads: int) -> Team:
    """Return the process's team of that many threads."""
    return Team(threads)


def use_graph(threads: int) -> None:
    """Have steps captured from now on replayed by a team of ``threads`` threads."""
    Device["CPU"].graph = functools.partial(CPUGraph, team=team_of(threads))
