"""A team runs every slice of every launch once, each launch after the one before it, whoever takes which slice."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.model.target import compiler

compiler.use()

from plugins.gpt2.model import device  # noqa: E402 - as above
from plugins.gpt2.model.cpu.team import HEADER, LAUNCH_WORDS, MATRIX, MATRIX_BYTES, Team  # noqa: E402 - as above

# Adds one to the slice's place, and as much as the launch before has left in all of its places.
SOURCE = """
void count(int* places, const int* before, int length, int slice) {
  int sum = 1;
  for (int i = 0; i < length; i++) sum += before[i];
  __atomic_fetch_add(places + slice, sum, __ATOMIC_RELAXED);
}
"""


@pytest.fixture(params=[1, 2, 3, 5])
def team(request: pytest.FixtureRequest) -> Iterator[Team]:
    made = Team(request.param)
    yield made
    made.settle()
    made.close()


def run(team: Team, sizes: list[int], *, read: bool = False) -> list[list[int]]:
    """Run a launch of each number of slices; return what each left. ``read``: they read their places as a matrix."""
    counts: Any = device.load_c("count", SOURCE)
    function = ctypes.cast(counts, ctypes.c_void_p).value or 0
    places = [np.zeros(size, np.int32) for size in sizes]
    table = np.zeros((len(sizes), LAUNCH_WORDS), np.uint64)
    for row, here in enumerate(places):
        before = places[row - 1] if row else np.zeros(0, np.int32)
        table[row, :4] = function, len(here), 3, 4
        table[row, HEADER : HEADER + 3] = here.ctypes.data, before.ctypes.data, len(before)
        if read:
            table[row, MATRIX], table[row, MATRIX_BYTES] = here.ctypes.data, here.nbytes
    team.run(table)
    return [here.tolist() for here in places]


def test_every_slice_runs_once_and_launches_run_in_order(team: Team) -> None:
    assert run(team, [3, 1, 7, 2]) == [[1] * 3, [4], [5] * 7, [36] * 2]


def test_a_longer_table_may_follow_a_shorter_one(team: Team) -> None:
    run(team, [2])
    assert run(team, [2, 1, 4]) == [[1] * 2, [3], [4] * 4]


def test_asking_early_for_a_matrix_changes_nothing(team: Team) -> None:
    assert run(team, [3, 1, 20_000, 1], read=True) == [[1] * 3, [4], [5] * 20_000, [100_001]]


def test_a_team_runs_many_tables_one_after_another(team: Team) -> None:
    assert all(run(team, [4, 3]) == [[1] * 4, [5] * 3] for _ in range(50))


def test_a_launch_of_no_slices_is_passed_over(team: Team) -> None:
    assert run(team, [3, 0, 2], read=True) == [[1] * 3, [], [1] * 2]
