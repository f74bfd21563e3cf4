"""The programs of a fleet on this machine, and people who ask: what :mod:`bench.fleet` is made of."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench.fake_engine import MODEL, words
from plugins.gpt2.protocol import Finished, GenerationError, GenerationRequest, Text
from plugins.gpt2.remote.generator import RemoteTextGenerator

TOKENS = 60
LIMITS = {f"TOWNHALL_GPT2_{name}_LIMIT": "1000" for name in ("QUEUE", "MEMBER", "GUILD")}


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        port: int = there.getsockname()[1]
        return port


class House:
    """Routers and engines as processes of their own; use as an async context manager."""

    def __init__(self, routers: int, rows: int = 8) -> None:
        self.ports = [free_port() for _ in range(routers)]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.rows = rows
        self.routers: list[subprocess.Popen[Any]] = []
        self.engines: list[subprocess.Popen[Any]] = []

    async def __aenter__(self) -> House:
        for port in self.ports:
            self.routers.append(program("townhall_bot", "router", "--listen", f"127.0.0.1:{port}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in (*self.engines, *self.routers):
            process.kill()
            process.wait()

    def add_engine(self) -> subprocess.Popen[Any]:
        """Start another engine."""
        engine = program("bench.fake_engine", "--router", ",".join(self.urls), "--rows", str(self.rows))
        self.engines.append(engine)
        return engine

    async def until_engines(self, count: int) -> None:
        """Wait until the first router knows so many."""
        async with aiohttp.ClientSession() as session:
            while await self.metric(session, "townhall_router_engines") != count:  # noqa: ASYNC110 - of another program
                await asyncio.sleep(0.1)

    async def metric(self, session: aiohttp.ClientSession, name: str) -> float | None:
        """Return one of the first router's numbers, of all models together; None where it does not answer."""
        try:
            async with session.get(f"{self.urls[0]}/metrics") as answer:
                lines = (await answer.text()).splitlines()
        except aiohttp.ClientError:
            return None
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split()[0] == name)


def program(*module_and_arguments: str) -> subprocess.Popen[Any]:
    """Start a module as a program, whose output nobody reads."""
    return subprocess.Popen(
        [sys.executable, "-m", *module_and_arguments],
        env={**os.environ, **LIMITS},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@dataclass(slots=True)
class Asked:
    """What came of texts that were asked for."""

    whole: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)
    longest_silence_s: float = 0.0
    seconds: list[float] = field(default_factory=list)
    moved: int = 0

    async def ask(self, bot: RemoteTextGenerator, user: int, tokens: int = TOKENS) -> None:
        """Have one text written, and note how it went."""
        loop = asyncio.get_running_loop()
        began = last = loop.time()
        text = ""
        try:
            async for event in bot.generate(GenerationRequest("x", tokens, MODEL, user_id=user, guild_id=user)):
                now = loop.time()
                self.longest_silence_s, last = max(self.longest_silence_s, now - last), now
                if isinstance(event, Text):
                    text += event.piece
                if isinstance(event, Finished):
                    self.moved += event.timing.moved
        except GenerationError as error:
            self.errors.append(error.message.name)
            return
        self.seconds.append(loop.time() - began)
        if text == words(tokens):
            self.whole += 1
        else:
            self.wrong += 1


async def keep_asking(asked: Asked, bot: RemoteTextGenerator, user: int, until: float) -> None:
    """Ask for one text after the other, until the loop's time is ``until``."""
    while asyncio.get_running_loop().time() < until:
        await asked.ask(bot, user)


async def with_bots(house: House, count: int, work: Callable[[list[RemoteTextGenerator]], Awaitable[None]]) -> None:
    """Do something with so many bots, each with connections of its own, in this process."""
    bots = [RemoteTextGenerator(house.urls, None) for _ in range(count)]
    for bot in bots:
        await bot.start()
    try:
        await work(bots)
    finally:
        for bot in bots:
            await bot.close()
