"""How late the event loop is while texts are written: ``python -m bench.event_loop_lag --model gpt2``.

Discord's heartbeat, and everyone's next command, wait for this loop. A task sleeps for a few milliseconds again and
again; what it wakes up late is the lag. Once with an idle engine, once while the service writes 8 texts. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import machine
from bench.compare import DEFAULT_CACHE
from bench.models import random_folder
from plugins.gpt2.model.constants import OFFICIAL_CONFIGS, WEIGHT_NAMES
from plugins.gpt2.protocol import Finished, GenerationRequest, SamplingParams
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings

INTERVAL_S = 0.002


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of ``values`` do not exceed.

    Raises ValueError where there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


async def lags_until(done: asyncio.Event) -> list[float]:
    """Return how many ms late each wake-up was, until ``done``."""
    late = []
    while not done.is_set():
        begin = time.perf_counter()
        await asyncio.sleep(INTERVAL_S)
        late.append((time.perf_counter() - begin - INTERVAL_S) * 1000)
    return late


def summary(late: Sequence[float]) -> dict[str, float]:
    """Return p50, p99 and the worst, in ms."""
    return {"p50_ms": percentile(late, 0.5), "p99_ms": percentile(late, 0.99), "max_ms": max(late)}


async def measure(settings: GPT2Settings, streams: int, count: int, idle_s: float) -> dict[str, Any]:
    """Return the lags and the speed while ``streams`` members each ask for ``count`` tokens at once."""
    service = GPT2Service(settings)
    await service.start()
    try:
        await service.ensure_model(settings.model)
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(idle_s, over.set)
        idle = await lags_until(over)

        async def listen(member: int) -> int:
            prompt = f"Member {member} asks the townhall for the opening of a speech on rain, roads and bread."
            sampling = SamplingParams(seed=member)
            request = GenerationRequest(prompt, count, settings.model, sampling, user_id=member, guild_id=1)
            async for event in service.generate(request):
                if isinstance(event, Finished):
                    return event.timing.new_tokens
            raise RuntimeError("a text ended without its last event")

        done = asyncio.Event()
        probe = asyncio.create_task(lags_until(done))
        begin = time.perf_counter()
        tokens = sum(await asyncio.gather(*(listen(member) for member in range(streams))))
        seconds = time.perf_counter() - begin
        done.set()
        late = await probe
    finally:
        await service.close()
    idle_summary = {f"idle_{name}": value for name, value in summary(idle).items()}
    return {**summary(late), **idle_summary, "samples": len(late), "tokens_per_s": tokens / seconds}


def main(given: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.event_loop_lag", description=__doc__)
    parser.add_argument("--model", default="gpt2", help="official shape, with random weights (default gpt2)")
    parser.add_argument("--folder", type=Path, help="a checkpoint's folder, instead")
    parser.add_argument("--weights", choices=WEIGHT_NAMES, default="int8")
    parser.add_argument("--threads", type=int, default=machine.physical_cores(), help="default: physical cores")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--count", type=int, default=256, help="new tokens of each stream (default 256)")
    parser.add_argument("--idle", type=float, default=3.0, help="seconds of the idle measurement (default 3)")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help=f"made files (default {DEFAULT_CACHE})")
    options = parser.parse_args(given)
    folder = options.folder or random_folder(options.cache, options.model, OFFICIAL_CONFIGS[options.model])
    chosen: dict[str, Any] = {
        "model": str(folder.resolve()),
        "weights": options.weights,
        "threads": options.threads,
        "rows": max(8, options.streams),
        "max_count": max(300, options.count),
        "guild_limit": max(16, options.streams),
    }
    settings = GPT2Settings(**chosen)
    result: dict[str, Any] = {
        "kind": "event_loop_lag",
        "model": folder.name,
        "machine": machine.describe(),
        "threads": options.threads,
        "weights": options.weights,
        "streams": options.streams,
        **asyncio.run(measure(settings, options.streams, options.count, options.idle)),
    }
    for label, prefix in (("idle", "idle_"), (f"{options.streams} streams", "")):
        p50, p99, worst = (result[f"{prefix}{name}_ms"] for name in ("p50", "p99", "max"))
        print(f"event-loop lag, {label}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {worst:.2f} ms")
    print(f"{result['tokens_per_s']:.0f} tokens/s in all, prefill and sampling included")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
