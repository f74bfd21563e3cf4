"""Every test may use the kit that plugin authors use and an installed Townhall; none leaves a text to chance."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from plugins.gpt2.chat.recent_ends import RecentEnds
from plugins.gpt2.engine.sampling import Sampler
from plugins.gpt2.language_model import Logits
from plugins.gpt2.model.target import compiler

pytest_plugins = ["townhall_bot.testkit", "tests.installation"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
compiler.use()  # tinygrad reads it once, at its import; test modules are imported in any order, and before any fixture


def pytest_xdist_auto_num_workers() -> int:
    """Three at least: a third of the time goes by in waiting for sockets and processes, not for a core."""
    return max(3, os.cpu_count() or 1)


SLOW = (
    *("bench", "end_to_end", "fuzz", "test_packaging.py", "townhall_bot/store/test_kill.py"),
    *("townhall_bot/test_testing_page.py", "townhall_bot/plugins", "townhall_bot/discordpy/test_retries.py"),
    *("townhall_bot/cli/test_new_plugin.py", "plugins/gpt2/cli", "plugins/gpt2/model", "plugins/gpt2/checkpoint"),
    "plugins/gpt2/engine/test_guesses.py",
)
"""Tests of whole programs, real models, a browser or a fuzzer: nine in ten seconds are theirs."""


RAY = False
"""Whether those marked ``ray`` run: where nothing else does, for they share one Ray in one process."""


def pytest_configure(config: pytest.Config) -> None:
    global RAY
    RAY = config.option.markexpr == "ray" and importlib.util.find_spec("ray") is not None


LONG = ("bench", "end_to_end", "test_packaging.py", "plugins/gpt2/model", "townhall_bot/plugins")
"""Where tests are that take seconds, each."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark the slow ones, so that ``-m "not slow"`` is a selection for the time between two keystrokes.

    Each worker begins with its share of the long ones: last of all, one would keep the others waiting.
    """
    for item in items:
        if item.get_closest_marker("ray") and not RAY:
            item.add_marker(
                pytest.mark.skip(reason="Ray: python -m pytest -m ray -n 0, with the extra [ray] installed")
            )
        if _place(item).startswith(SLOW):
            item.add_marker("slow")
    yield  # here some are left out, and the order is drawn
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if _place(item).startswith(LONG)]
    rest = iter([item for item in items if not _place(item).startswith(LONG)])
    size = len(items) // workers  # xdist gives each worker so many to begin with, in this order
    shares = (long[worker::workers] for worker in range(workers))
    items[:] = [item for share in shares for item in (*share, *islice(rest, max(0, size - len(share))))]
    items += rest


def _place(item: pytest.Item) -> str:
    here = Path(__file__).parent
    return item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""


@pytest.fixture(autouse=True)
def no_text_left_to_chance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that draws tokens with a seed nobody chose: such a text ends where it likes, once in a hundred runs.

    A test about fresh seeds says so with ``@pytest.mark.fresh_seeds``.
    """
    drawn: set[int] = set()
    choose = Sampler._choose

    def watched(self: Sampler, logits: Logits, *, judged: bool) -> tuple[int, float]:
        if self._params.seed is None and not self.greedy:
            drawn.add(self.seed)
        return choose(self, logits, judged=judged)

    monkeypatch.setattr(Sampler, "_choose", watched)
    yield
    if drawn and request.node.get_closest_marker("fresh_seeds") is None:
        pytest.fail(f"this test drew {len(drawn)} text(s) with a fresh seed: set temperature 0 or a seed")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root, names = logging.root, ("townhall", "townhall.plugin")
    handlers, levels = root.handlers[:], [logging.getLogger(name).level for name in ("", *names)]
    yield
    root.handlers[:] = handlers
    for name, level in zip(("", *names), levels, strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def presses_are_meant() -> Iterator[None]:
    """Let tests press *Again* as soon as it is there, which takes people more than a moment."""
    assert RecentEnds.__init__.__kwdefaults__ is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RecentEnds.__init__.__kwdefaults__, "moment_s", 0.0)
        yield
