"""How soon a person gets the first answer while 8 texts are written: ``python -m bench.ack``.

The bot runs in a process of its own. Eight members ask for text after text; meanwhile 200 commands arrive within a
minute at random moments, half of them /gpt2 and half /ping. What counts is the time from the interaction to the bot's
acknowledgement, as Discord sees it. The event loop's lag is read from the bot's own metrics page before and after. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench import machine
from bench.bot_process import bot_beside
from bench.event_loop_lag import percentile
from townhall_bot.loopback import LoopbackDiscord, Person, Turn

WRITERS = 8
SETTINGS = {
    "TOWNHALL_GPT2_ROWS": "8",
    "TOWNHALL_GPT2_MAX_COUNT": "1000",
    "TOWNHALL_GPT2_GUILD_LIMIT": "400",
    "TOWNHALL_GPT2_QUEUE_LIMIT": "400",
    "TOWNHALL_GPT2_MEMBER_LIMIT": "400",
    "TOWNHALL_LOG_LEVEL": "WARNING",
    "TOWNHALL_DRAIN_S": "0",
}
LAG = "townhall_event_loop_lag_seconds_bucket"


async def write_on(person: Person, tokens: int) -> None:
    """Ask for text after text, so that one is always under way."""
    while True:
        turn = await person.type(f"/gpt2 prompt:Once upon a time count:{tokens} timing:True")
        await turn.until(lambda turn: turn.failed or "-# queue" in turn.text, 600)


async def ask_at(moment: float, person: Person, command: str) -> Turn:
    """Type a command at a moment of the loop's clock and wait for its first answer."""
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
    turn = await person.type(command)
    await turn.until(lambda turn: turn.failed or turn.response is not None, 10)
    return turn


async def lag_counts(port: int) -> dict[float, float]:
    """Return how often the event loop was late by at most so many seconds, as the bot counts it."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        page = await response.text()
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {float(sample.labels["le"]): sample.value for sample in samples if sample.name == LAG}


def lag_between(before: Mapping[float, float], after: Mapping[float, float]) -> dict[str, float]:
    """Return bounds in ms below which half, 99 % and all wake-ups of the time in between were."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    total = max(counts.values())

    def bound(share: float) -> float:
        return min(each for each, count in counts.items() if count >= share * total) * 1000

    return {"p50_below_ms": bound(0.5), "p99_below_ms": bound(0.99), "max_below_ms": bound(1.0), "wake_ups": total}


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def measure(
    commands: int, seconds: float, tokens: int, seed: int, settings: Mapping[str, str], log: Path
) -> dict[str, Any]:
    """Run it; return the figures."""
    draw, port = random.Random(seed), free_port()
    async with LoopbackDiscord() as server:
        guild = server.townhall().guild
        writers = [Person(guild.add_member(f"writer{number}")) for number in range(WRITERS)]
        askers = [Person(guild.add_member(f"asker{number}")) for number in range(20)]
        own = {**SETTINGS, **settings, "TOWNHALL_HEALTH_PORT": str(port)}
        async with bot_beside(server, own, log):
            writing = [asyncio.create_task(write_on(person, tokens)) for person in writers]
            async with asyncio.timeout(120):  # until texts are really being written
                while await running(port) < WRITERS:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.1)
            before, began = await lag_counts(port), asyncio.get_running_loop().time()
            turns = await asyncio.gather(
                *(
                    ask_at(
                        began + draw.uniform(0, seconds),
                        draw.choice(askers),
                        f"/gpt2 prompt:My fellow citizens count:{draw.randint(4, 40)}" if number % 2 else "/ping",
                    )
                    for number in range(commands)
                )
            )
            took = asyncio.get_running_loop().time() - began
            after, still = await lag_counts(port), await running(port)
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)
    acks = [turn.ack_seconds * 1000 for turn in turns if turn.ack_seconds is not None]
    return {
        "commands": commands,
        "seconds": round(took, 1),
        "writing_at_begin_and_end": [WRITERS, still],
        "answered": len(acks),
        "ack_ms": {
            "p50": round(percentile(acks, 0.5), 1),
            "p99": round(percentile(acks, 0.99), 1),
            "max": round(max(acks), 1),
        },
        "event_loop_lag": lag_between(before, after),
        "settings": dict(settings),
        "when": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "machine": machine.describe(),
    }


async def running(port: int) -> int:
    """Return how many texts the bot writes now, as its health page tells."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as response:
        summary = (await response.json())["plugins"]["gpt2"]["summary"]
    words = summary.replace(";", " ").replace(",", " ").split()
    return int(words[words.index("running") - 1])


def main() -> int:
    """Measure; exit 1 where a command had no answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tokens", type=int, default=1000, help="length of the texts written meanwhile")
    parser.add_argument("--model", default="townhall-mini")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path(tempfile.gettempdir()) / "townhall-ack.log")
    parser.add_argument("--write", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    settings = {"TOWNHALL_GPT2_MODEL": given.model}
    figures = asyncio.run(measure(given.commands, given.seconds, given.tokens, given.seed, settings, given.log))
    if given.write:
        given.write.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures))
    return 0 if figures["answered"] == given.commands else 1


if __name__ == "__main__":
    sys.exit(main())
