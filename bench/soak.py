"""Members use the bot through a storm, for minutes: ``python -m bench.soak --minutes 10``.

The bot runs in a process of its own, so that its memory is its own; the local Discord with its faults and the
members are here and judge by what they see. A text is complete when the line of measurements stands below it, which
only the last edit brings. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.bot_process import bot_beside, memory_mb
from bench.event_loop_lag import percentile
from plugins.gpt2.chat.message_format import WAITING
from townhall_bot.loopback import CommandRefused, LoopbackDiscord, Message, Person, ResponseType, Turn
from townhall_bot.loopback.faults.profiles import PRESETS
from townhall_bot.loopback.world.permissions import ADMIN

TIMEOUT_S = 120.0
"""How long a member looks at an answer that is not complete before it counts as lost."""
PAUSE_S = 20.0
"""Mean time between two commands of one member."""
SAMPLE_S = 10.0
WARM_UP_S = 120.0
"""Memory is judged after this long: by then every kind of request has been there."""
PROMPTS = ("My fellow citizens", "The town hall", "Once upon a time", "Dear", "In the year 1900 the railway")
COMPLETE = re.compile(r"-# queue .* seed \d+ ")
SETTINGS = {
    "TOWNHALL_GPT2_GUILD_LIMIT": "60",
    "TOWNHALL_GPT2_QUEUE_LIMIT": "60",
    "TOWNHALL_LOG_LEVEL": "WARNING",
}


@dataclass(slots=True)
class Tally:
    """What became of every command."""

    commands: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    ack_ms: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


class Member:
    """Somebody who types commands and presses buttons, one thing after the other."""

    def __init__(self, person: Person, server: LoopbackDiscord, tally: Tally, draw: random.Random) -> None:
        self.person = person
        self.server = server
        self.tally = tally
        self.draw = draw

    async def live(self, until: float) -> None:
        """Use the bot until ``until``, on the clock of :func:`time.monotonic`."""
        while (pause := self.draw.expovariate(1 / PAUSE_S)) < until - time.monotonic():
            await asyncio.sleep(pause)
            turn = await self.ask()
            buttons = [b for m in turn.messages for b in m.buttons if b.get("custom_id") and not b.get("disabled")]
            if buttons and self.draw.random() < 0.3:
                await self.press(turn, self.draw.choice(buttons))

    async def ask(self) -> Turn:
        """Type a command and wait for what becomes of it."""
        chance = self.draw.random()
        admin = self.person.name == "admin"
        if chance < 0.2 and admin:
            command = "/gpt2-config"
        elif chance < 0.65:
            prompt, count = self.draw.choice(PROMPTS), self.draw.randint(4, 60)
            command = f"/gpt2 prompt:{prompt} count:{count} timing:True"
        else:
            command = "/ping"
        had_session = bool(self.server.gateway.sessions)
        channel = self.draw.choice(self.person.guild.channels)
        turn = await self.person.type(command, channel)
        await self.judge(command.split()[0], turn, had_session)
        return turn

    async def press(self, turn: Turn, button: dict[str, Any]) -> None:
        """Press a button below an answer and wait for what becomes of that."""
        message = next(m for m in turn.messages if button in m.buttons)
        try:
            pressed = await self.person.press(message, button["custom_id"])
        except CommandRefused:  # it has gone meanwhile
            return
        await self.judge("a button", pressed, bool(self.server.gateway.sessions))

    async def judge(self, name: str, turn: Turn, had_session: bool) -> None:
        """Wait until what the member sees is an end, and count which one."""
        self.tally.commands[name] += 1
        try:
            await turn.until(lambda turn: turn.failed or self.ended(name, turn), TIMEOUT_S)
        except TimeoutError:
            kind = "lost" if turn.response is not None else "unanswered"
            self.tally.lost.append(
                f"{kind}: {name}, {turn.response and turn.response.name}, {len(turn.text)} characters"
            )
            self.tally.ends[kind] += 1
            return
        if turn.failed:
            self.tally.ends["did not respond" if had_session else "no session: did not respond"] += 1
            return
        if turn.ack_seconds is not None:
            self.tally.ack_ms.append(turn.ack_seconds * 1000)
        self.tally.ends[self.kind(name, turn)] += 1

    def ended(self, name: str, turn: Turn) -> bool:
        """Tell whether what stands there is the last that will come."""
        if turn.response in (None, ResponseType.DEFERRED_UPDATE):
            return turn.response is not None
        if any(message.thinking or message.content.startswith(WAITING) for message in turn.messages):
            return False
        return name != "/gpt2" or not turn.messages or complete(turn) or told(turn.message)

    def kind(self, name: str, turn: Turn) -> str:
        """Name an end."""
        if name != "/gpt2":
            return "answered"
        return "text complete" if complete(turn) else "refused or failed, and told"


def complete(turn: Turn) -> bool:
    """Tell whether a text has arrived as a whole."""
    return COMPLETE.search(turn.text) is not None


def told(message: Message) -> bool:
    """Tell whether a message says why there is no text: it does not begin with the prompt."""
    return not message.content.startswith("**")


def growth(samples: list[tuple[float, float]]) -> float:
    """Return the slope of (seconds, MB) by least squares, in MB a minute; 0 for fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    mean_t = sum(t for t, _ in samples) / len(samples)
    mean_m = sum(m for _, m in samples) / len(samples)
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return 60 * sum((t - mean_t) * (m - mean_m) for t, m in samples) / spread


async def sample(pid: int, began: float, samples: list[tuple[float, float]]) -> None:
    """Note the bot's memory again and again."""
    while True:
        samples.append((time.monotonic() - began, memory_mb(pid)))
        await asyncio.sleep(SAMPLE_S)


async def soak(members: int, minutes: float, weather: str, seed: int, log: Path) -> dict[str, Any]:
    """Run it; return what happened."""
    tally = Tally()
    async with LoopbackDiscord() as server:
        world = server.townhall()
        people = [Person(world.guild.add_member("admin", ADMIN))]
        people += [Person(world.guild.add_member(f"member{number}")) for number in range(1, members)]
        server.faults.begin(weather, seed)
        async with bot_beside(server, SETTINGS, log) as bot:
            began = time.monotonic()
            samples: list[tuple[float, float]] = []
            sampling = asyncio.create_task(sample(bot.pid, began, samples))
            lives = [Member(p, server, tally, random.Random(f"{seed} {p.name}")) for p in people]
            await asyncio.gather(*(member.live(began + minutes * 60) for member in lives))
            sampling.cancel()
        faults = sum(len(request.schema_errors) for request in server.requests)
        happened = dict(sorted(server.faults.happened.items()))
        sessions = {"identified": server.gateway.identified, "resumed": server.gateway.resumed}
    lines = await asyncio.to_thread(lambda: log.read_text().splitlines())
    settled = [(t, m) for t, m in samples if t >= min(WARM_UP_S, minutes * 30)]
    return {
        "members": members,
        "minutes": minutes,
        "weather": weather,
        "seed": seed,
        "commands": dict(tally.commands),
        "ends": dict(tally.ends),
        "lost_final_answers": tally.ends["lost"],
        "unanswered": tally.ends["unanswered"],
        "lost": tally.lost,
        "ack_ms": {"p50": percentile(tally.ack_ms, 0.5), "p99": percentile(tally.ack_ms, 0.99)},
        "weather_happened": happened,
        "gateway": sessions,
        "requests_breaking_the_description": faults,
        "errors_logged": sum("ERROR" in line or "CRITICAL" in line for line in lines),
        "bot_exit_status": bot.returncode,
        "memory_mb": [round(m, 1) for _, m in samples],
        "memory_growth_mb_per_minute": round(growth(settled), 3),
        "machine": machine.describe(),
    }


def main() -> int:
    """Run the soak; exit 1 where an answer was lost or never came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--weather", choices=sorted(PRESETS), default="storm")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path(tempfile.gettempdir()) / "townhall-soak.log")
    given = parser.parse_args()
    result = asyncio.run(soak(given.members, given.minutes, given.weather, given.seed, given.log))
    print(f"the bot's log: {given.log}")
    print(json.dumps(result))
    return 1 if result["lost_final_answers"] or result["unanswered"] else 0


if __name__ == "__main__":
    sys.exit(main())
