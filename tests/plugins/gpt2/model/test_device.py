"""tinygrad's own state, where one process uses it from more than one thread."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import threading
from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.model.constants import EMBEDDED_MODEL
from plugins.gpt2.model.device_plan import open_device
from plugins.gpt2.model.gpt2 import load

looking = threading.Thread(target=open_device, args=("CPU",))
looking.start()
looking.join()
with open_checkpoint(EMBEDDED_MODEL) as checkpoint:
    print(load(checkpoint, rows=1).decode([0], [1], [0]).shape)
"""


def test_a_model_loads_in_another_thread_than_the_one_that_looked_at_the_device() -> None:
    """As where the doctor's checks and a bot share a process: sqlite3 ties a connection to its thread."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "(1, 8192)"), ran.stderr
