"""Python's search for garbage pauses for a block, and goes on behind it as it was before."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from townhall_bot.machine.garbage import uncollected


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.enable()


def test_nothing_is_collected_in_the_block_and_all_is_behind_it() -> None:
    def fail() -> None:
        assert not gc.isenabled()
        raise ValueError("in the block")

    with pytest.raises(ValueError, match="in the block"), uncollected():
        fail()
    assert gc.isenabled()


def test_who_never_collects_is_left_alone() -> None:
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()
