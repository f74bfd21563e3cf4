"""What the announcements of a long line cost: ``python -m bench.line``. The last line is JSON.

Measured in time of the processor, so that another program's load does not count.
A third as many servers as requests wait, 64 run, and each announcement tells everyone a new place.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median

from bench import machine
from plugins.gpt2.protocol import GenerationRequest
from plugins.gpt2.service.request_queue import RequestQueue
from plugins.gpt2.service.request_state import RequestState
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.settings import load_settings

ROUNDS = 15
ROWS = 64


def filled(waiting: int) -> RequestQueue:
    """Return a line where so many wait."""
    rows = [ROWS]
    settings = load_settings(GPT2Settings, env_file=None).model_copy(update={"queue_limit": 1000})
    queue = RequestQueue(settings, time.monotonic, rows_of=lambda model: rows[0], loading=lambda model: None)
    queue.estimator.expect("gpt2", 0.02)
    for key in range(waiting + ROWS):
        request = GenerationRequest("x", 60, "gpt2", guild_id=key % max(1, waiting // 3), user_id=key)
        queue.enqueue(RequestState(key, request, time.monotonic()))
    list(queue.next_ones())
    queue.announce()
    return queue


def announcement_ms(waiting: int) -> float:
    """Return the median milliseconds of an announcement after the first one of the line has left it."""
    times = []
    queue = filled(waiting + ROUNDS)
    for _ in range(ROUNDS):
        first = queue.waiting[0]
        began = time.thread_time()
        queue.remove(first)
        times.append((time.thread_time() - began) * 1000)
    return median(times)


def main() -> int:
    """Measure and print."""
    result = {str(waiting): round(announcement_ms(waiting), 2) for waiting in (32, 300, 1000, 3000)}
    print(json.dumps({"machine": machine.describe(), "line": {"announcement_ms": result}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
