"""The table of a captured step: TinyJit hands over its launches, a :class:`Team` replays them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from plugins.gpt2.model.cpu.graph_runner import CapturedLaunch, replay_with
from plugins.gpt2.model.cpu.team import HEADER, LAUNCH_WORDS, MOST_ARGUMENTS, NO_SLICE, Team


class CPUGraph:
    """One captured step as a table of launches, run by ``team``."""

    def __init__(self, launches: Sequence[CapturedLaunch], team: Team) -> None:
        self.launches, self.team = launches, team
        self.table = np.zeros((len(launches), LAUNCH_WORDS), np.uint64)
        self._inputs: list[tuple[int, int, int]] = []
        self._variables: list[tuple[int, int, str]] = []
        for index, launch in enumerate(launches):
            place = NO_SLICE if launch.slice_argument is None else launch.slice_argument
            self.table[index, :HEADER] = launch.function, launch.slices, place, launch.arguments, 0, 0, 0
            self.table[index, HEADER : HEADER + len(launch.buffers)] = launch.buffers
            self._inputs += [(index, HEADER + argument, source) for argument, source in launch.inputs]
            self._variables += [(index, HEADER + argument, name) for argument, name in launch.variables]

    @property
    def constant(self) -> bool:
        """Whether nothing but the inputs changes from run to run."""
        return not self._variables

    def run(self, inputs: Sequence[int], variables: Mapping[str, int]) -> None:
        """Run the step with the addresses of its inputs and the values of its variables; return when it is done."""
        for row, column, source in self._inputs:
            self.table[row, column] = inputs[source]
        for row, column, name in self._variables:
            self.table[row, column] = variables[name]
        self.team.run(self.table)

    def __del__(self) -> None:
        if hasattr(self, "team"):  # not where the making failed
            self.team.settle()


@functools.cache
def team_of(threads: int) -> Team:
    """Return the process's team of that many threads."""
    return Team(threads)


def use_graph(threads: int) -> None:
    """Have steps captured from now on replayed by a team of ``threads`` threads."""
    team = team_of(threads)
    replay_with(lambda launches: CPUGraph(launches, team), MOST_ARGUMENTS)
