"""Training makes way for a bot that serves."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os
from plugins.gpt2.training.priority import make_way
make_way()
print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE)
"""


def test_it_runs_where_nobody_else_wants_to() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.stdout == "19 True\n", done.stderr
