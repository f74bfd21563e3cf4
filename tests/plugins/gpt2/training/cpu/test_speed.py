"""How fast the machine multiplies is told by its best moment."""

from __future__ import annotations

import pytest

from plugins.gpt2.model.target import compiler

compiler.use()

from plugins.gpt2.training.cpu.speed import best_seconds, measured_flops  # noqa: E402 - imports tinygrad


class Machine:
    """A clock that goes on while something is done: ``takes`` seconds, then each time the last of them."""

    def __init__(self, *takes: float) -> None:
        self.now, self._takes = 0.0, list(takes)

    def __call__(self) -> None:
        self.now += self._takes[0] if len(self._takes) == 1 else self._takes.pop(0)


def seconds(machine: Machine) -> float:
    return best_seconds(machine, lambda: machine.now)


def test_the_best_of_many_counts() -> None:
    assert seconds(Machine(9.0, 0.02, 0.01, 0.02)) == pytest.approx(0.01)


def test_a_busy_machine_is_given_time_for_a_good_moment() -> None:
    busy = [0.3] * 6
    assert seconds(Machine(9.0, *busy, 0.01, 0.3)) == pytest.approx(0.01)
    assert seconds(Machine(9.0, 2.0, 2.0, 0.01)) == pytest.approx(2.0), "but not for ever"


def test_every_core_counts_and_a_product_takes_some_time() -> None:
    one = measured_flops("fp32", 1)
    assert 1e8 < one < 1e13
    assert measured_flops("fp32", 64) > 4 * one
