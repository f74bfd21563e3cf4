"""The gateway is lost again and again while texts are written: ``python -m bench.gateway_drops``.

The bot runs in a process of its own. Eight members ask for one text after the other; each time at least half of them
see a text grow that has not met a break yet, the connection is broken: closed with a code, cut without a word, or asked
to be made anew, in turns. A text counts as delivered when what is shown has its line of measurements, once, with as
many new tokens as were asked for, and nothing says that it is still being written. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.bot_process import bot_beside
from bench.event_loop_lag import percentile
from townhall_bot.loopback import LoopbackDiscord, Person, Turn

MEMBERS = 8
TIMEOUT_S = 60.0
SETTINGS = {
    "TOWNHALL_GPT2_ROWS": str(MEMBERS),
    "TOWNHALL_GPT2_MAX_COUNT": "1000",
    "TOWNHALL_GPT2_GUILD_LIMIT": str(2 * MEMBERS),
    "TOWNHALL_LOG_LEVEL": "WARNING",
}
WRITING = "-# Writing"
MEASURED = re.compile(r"^-# queue .* \d+ \+ (?P<tokens>\d+) tokens in .* seed \d+ ", re.MULTILINE)
ENDED_EARLY = "The model ended its text here."


@dataclass(slots=True)
class Tally:
    """What became of every text."""

    asked: int = 0
    delivered: int = 0
    cut_into: int = 0
    """Of those, how many were on the way when a connection was lost."""
    faults: list[str] = field(default_factory=list)


class Writer:
    """A member who always has a text on the way."""

    def __init__(self, person: Person, tokens: int, tally: Tally) -> None:
        self.person = person
        self.tokens = tokens
        self.tally = tally
        self.turn: Turn | None = None
        self.hit = False
        """Whether the text under way has seen a connection lost."""

    @property
    def fresh(self) -> bool:
        """Whether a text is being written before the member's eyes that has not seen a connection lost."""
        return self.turn is not None and WRITING in self.turn.text and not self.hit

    async def write(self, enough: asyncio.Event) -> None:
        """Ask for text after text, until ``enough``."""
        while not enough.is_set():
            self.hit = False
            self.tally.asked += 1
            self.turn = await self.person.type(f"/gpt2 prompt:Once upon a time count:{self.tokens} timing:True")
            fault = await self.fault(self.turn)
            if fault is None:
                self.tally.delivered += 1
                self.tally.cut_into += self.hit
            else:
                self.tally.faults.append(f"{fault}: {self.turn.response and self.turn.response.name}")

    async def fault(self, turn: Turn) -> str | None:
        """Return what is wrong with the end of a text, None where nothing is."""
        try:
            await turn.until(lambda turn: turn.failed or MEASURED.search(turn.text), TIMEOUT_S)
        except TimeoutError:
            return f"no end after {TIMEOUT_S:g} s"
        measured = [int(match["tokens"]) for match in MEASURED.finditer(turn.text)]
        if not measured:
            return "the application did not respond"
        if len(measured) > 1:
            return f"it ended {len(measured)} times"
        if measured[0] != self.tokens and ENDED_EARLY not in turn.text:
            return f"{measured[0]} tokens of {self.tokens}"
        return "still being written" if WRITING in turn.text else None


def fresh(writers: Sequence[Writer]) -> list[Writer]:
    """Return those whose text grows now and has not seen a connection lost."""
    return [writer for writer in writers if writer.fresh]


async def lose_connection(server: LoopbackDiscord, number: int) -> str:
    """Break the bot's connection in one of three ways; return which."""
    match number % 3:
        case 0:
            await server.faults.drop_gateway()
            return "closed with 4000"
        case 1:
            server.faults.cut_gateway()
            return "cut"
        case _:
            await server.faults.ask_to_reconnect()
            return "asked to reconnect"


async def measure(drops: int, tokens: int, log: Path) -> dict[str, Any]:
    """Run it; return the figures."""
    tally, back_ms, ways = Tally(), list[float](), Counter[str]()
    async with LoopbackDiscord() as server:
        guild = server.townhall().guild
        async with bot_beside(server, SETTINGS, log):
            enough = asyncio.Event()
            writers = [Writer(Person(guild.add_member(f"writer{number}")), tokens, tally) for number in range(MEMBERS)]
            writing = [asyncio.create_task(writer.write(enough)) for writer in writers]
            began = time.monotonic()
            for number in range(drops):
                await server.world.until(lambda: len(fresh(writers)) >= MEMBERS // 2, TIMEOUT_S)
                before = server.gateway.resumed + server.gateway.identified
                for writer in writers:
                    writer.hit = True
                lost = time.monotonic()
                way = await lose_connection(server, number)
                ways[way] += 1
                async with asyncio.timeout(TIMEOUT_S):
                    while server.gateway.resumed + server.gateway.identified == before:  # noqa: ASYNC110 - of another process
                        await asyncio.sleep(0.005)
                back_ms.append((time.monotonic() - lost) * 1000)
            enough.set()
            await asyncio.gather(*writing)
            took = time.monotonic() - began
        gateway = {"identified": server.gateway.identified, "resumed": server.gateway.resumed}
    return {
        "drops": drops,
        "ways": dict(ways),
        "members": MEMBERS,
        "tokens": tokens,
        "seconds": round(took, 1),
        "texts": tally.asked,
        "texts_cut_into": tally.cut_into,
        "delivered": tally.delivered,
        "faults": tally.faults,
        "back_ms": {"p50": round(percentile(back_ms, 0.5), 1), "max": round(max(back_ms), 1)},
        "gateway": gateway,
        "when": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "machine": machine.describe(),
    }


def main() -> int:
    """Measure; exit 1 where a final answer was not delivered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drops", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=400, help="length of the texts")
    parser.add_argument("--log", type=Path, default=Path(tempfile.gettempdir()) / "townhall-gateway-drops.log")
    given = parser.parse_args()
    figures = asyncio.run(measure(given.drops, given.tokens, given.log))
    print(json.dumps(figures))
    return 0 if figures["delivered"] == figures["texts"] else 1


if __name__ == "__main__":
    sys.exit(main())
