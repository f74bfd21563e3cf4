"""What a fleet bears, and what its router costs: ``python -m bench.fleet``. The last line is one JSON object.

Routers and engines are processes of their own on this machine; engines compute nothing (:mod:`bench.fake_engine`, 20 ms
a token, 8 rows), for 2 cores cannot hold eight real ones. Bots are the real remote generator, all in this process.

- **storm**: 10 bots, 8 engines, 90 texts open all the time; three engines are killed, one is frozen for 3.5 s, and the
  router is killed with a second one on stand-by. Each text is compared with what it must be.
- **upgrade**: 8 engines are replaced one after the other under load, each by SIGTERM.
- **stop**: a text is stopped from another bot, until the engine is idle, 20 times.
- **router**: one request of 60 tokens at a time, next to the same clockwork in this process; and the router's processor
  time a request while 150 texts are written at once.
- **real**: townhall-mini behind a router next to townhall-mini in this process, 8 texts at once; **real-gpt2**: the
  same with gpt2's shape and random weights.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from bench import machine
from bench.compare import DEFAULT_CACHE
from bench.fake_engine import Clockwork
from bench.fleet_house import TOKENS, Asked, House, keep_asking, with_bots
from bench.fleet_real import beside_local
from bench.models import random_folder
from plugins.gpt2.model.constants import OFFICIAL_CONFIGS
from plugins.gpt2.protocol import GenerationRequest, Text
from plugins.gpt2.remote.generator import RemoteTextGenerator

OPEN = 90
TOKEN_S = 0.02


def result(asked: Asked) -> dict[str, Any]:
    """Return what is told of texts."""
    return {
        "whole": asked.whole,
        "wrong": asked.wrong,
        "errors": asked.errors,
        "moved": asked.moved,
        "longest_silence_s": round(asked.longest_silence_s, 2),
    }


async def storm() -> dict[str, Any]:
    """10 bots × 8 engines under faults, 18 seconds."""
    asked = Asked()
    async with House(routers=2) as house:
        engines = [house.add_engine() for _ in range(8)]
        await house.until_engines(8)

        async def faults() -> None:
            for engine in engines[:3]:
                await asyncio.sleep(3)
                engine.kill()
            await asyncio.sleep(2)
            engines[3].send_signal(signal.SIGSTOP)
            await asyncio.sleep(3.5)
            engines[3].send_signal(signal.SIGCONT)
            house.routers[0].kill()

        async def work(bots: list[RemoteTextGenerator]) -> None:
            end = asyncio.get_running_loop().time() + 18
            askers = [keep_asking(asked, bots[user % 10], user, end) for user in range(OPEN)]
            await asyncio.gather(faults(), *askers)

        await with_bots(house, 10, work)
    return result(asked)


async def upgrade() -> dict[str, Any]:
    """All engines replaced under load."""
    asked = Asked()
    async with House(routers=1) as house:
        engines = [house.add_engine() for _ in range(8)]
        await house.until_engines(8)

        async def work(bots: list[RemoteTextGenerator]) -> None:
            async def replace() -> None:
                for engine in engines:
                    house.add_engine()
                    await asyncio.sleep(1)
                    engine.terminate()
                await asyncio.sleep(2)

            rolling = asyncio.create_task(replace())
            end = asyncio.get_running_loop().time() + 11
            await asyncio.gather(rolling, *(keep_asking(asked, bots[u % 10], u, end) for u in range(48)))

        await with_bots(house, 10, work)
    return result(asked)


async def stop() -> dict[str, Any]:
    """A text stopped from another bot, until no row is taken."""
    took: list[float] = []
    async with House(routers=1) as house, aiohttp.ClientSession() as calls:
        house.add_engine()
        await house.until_engines(1)

        async def work(bots: list[RemoteTextGenerator]) -> None:
            loop = asyncio.get_running_loop()
            for number in range(1, 21):
                written = asyncio.Event()

                async def listen(number: int = number, written: asyncio.Event = written) -> None:
                    asked = GenerationRequest("x", 300, "fake", user_id=1, request_id=number)
                    async for event in bots[0].generate(asked):
                        if isinstance(event, Text):
                            written.set()

                listening = asyncio.create_task(listen())
                await written.wait()
                began = loop.time()
                await bots[1].cancel(number)
                await listening
                while await house.metric(calls, "townhall_router_running"):
                    pass
                took.append(1000 * (loop.time() - began))

        await with_bots(house, 2, work)
    return {"times": len(took), "median_ms": round(median(took), 1), "most_ms": round(max(took), 1)}


async def router() -> dict[str, Any]:
    """What the router adds to a request, and its processor time for one."""
    alone, many, direct = Asked(), Asked(), list[float]()
    loop = asyncio.get_running_loop()
    async with House(routers=1, rows=20) as house:
        for _ in range(8):
            house.add_engine()
        await house.until_engines(8)

        async def work(bots: list[RemoteTextGenerator]) -> None:
            for _ in range(10):
                await alone.ask(bots[0], 1)
                began = loop.time()
                async for _event in Clockwork(1, TOKEN_S).generate(GenerationRequest("x", TOKENS, "fake")):
                    pass
                direct.append(loop.time() - began)
            before = _processor_s(house.routers[0].pid)
            end = asyncio.get_running_loop().time() + 8
            await asyncio.gather(*(keep_asking(many, bots[u % 10], u, end) for u in range(150)))
            many.seconds.append(_processor_s(house.routers[0].pid) - before)

        await with_bots(house, 10, work)
    used = many.seconds.pop()
    return {
        "added_ms": round(1000 * (median(alone.seconds) - median(direct)), 1),
        "processor_ms_a_request": round(1000 * used / max(1, many.whole), 2),
        "streams": 150,
        "median_s_of_150": round(median(many.seconds), 2),
        **result(many),
    }


async def gpt2_beside_local() -> dict[str, float]:
    """As :func:`beside_local`, with gpt2's shape and random weights."""
    return await beside_local(str(random_folder(DEFAULT_CACHE, "gpt2", OFFICIAL_CONFIGS["gpt2"])))


def _processor_s(pid: int) -> float:
    """Return the seconds of a processor that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


PARTS = {
    "storm": storm,
    "upgrade": upgrade,
    "stop": stop,
    "router": router,
    "real": beside_local,
    "real-gpt2": gpt2_beside_local,
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.fleet", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part (default: all)")
    options = parser.parse_args()
    there = machine.describe()
    found: dict[str, Any] = {}
    for name in [options.only] if options.only else PARTS:
        found[name] = asyncio.run(PARTS[name]())
        print(f"{name}: {found[name]}", flush=True)
    print(json.dumps({"kind": "fleet", "machine": there, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
