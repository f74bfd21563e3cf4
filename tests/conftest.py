"""Every test may use the kit that plugin authors use; and tinygrad finds its environment, whoever imports it first."""

from __future__ import annotations

import os

import pytest

from plugins.gpt2.model import compiler
from townhall_bot.replies import LiveReply

pytest_plugins = ["townhall_bot.testkit"]

compiler.use()  # tinygrad reads it once, at its import; test modules are imported in any order, and before any fixture


def pytest_xdist_auto_num_workers() -> int:
    """Four at least: half of the time goes by in waiting for sockets and processes, not for a core."""
    return max(4, os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def answers_grow_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edit a growing answer every 50 ms and not every 1.2 s: the Discord of the tests has a shorter minute, too."""
    assert LiveReply.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(LiveReply.__init__.__kwdefaults__, "interval", 0.05)
