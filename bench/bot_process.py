"""The bot in a process of its own, connected to a local Discord in this one: its memory and its time are its own.

``python -m bench.bot_process API GATEWAY TOKEN`` is that process; its settings come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from townhall_bot.bot import Townhall
from townhall_bot.lifecycle import serve_until_stopped
from townhall_bot.loopback import LoopbackDiscord, point_discord_at
from townhall_bot.ops import logs
from townhall_bot.plugins.discovery import prepare
from townhall_bot.store import Store

START_SECONDS = 120
LOOK_SECONDS = 0.1


@asynccontextmanager
async def bot_beside(server: LoopbackDiscord, settings: Mapping[str, str], log: Path) -> AsyncGenerator[Process]:
    """Yield the bot's process once it is connected and its commands are registered; then stop it as a host would.

    ``settings`` are environment variables. Raises RuntimeError where it ends before, TimeoutError where it never comes.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOWNHALL_")}
    with tempfile.TemporaryDirectory() as folder, log.open("w") as output:
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.bot_process", server.api_url, server.gateway_url, server.token,
            env={**environment, **settings, "TOWNHALL_DATA_DIR": folder}, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            async with asyncio.timeout(START_SECONDS):
                while not (server.commands and server.gateway.connected):
                    if bot.returncode is not None:
                        raise RuntimeError(f"the bot did not start; see {log}")
                    await asyncio.sleep(LOOK_SECONDS)
            yield bot
        finally:
            if bot.returncode is None:
                bot.send_signal(signal.SIGTERM)
            await bot.wait()


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process, in MB. Raises ProcessLookupError where it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(f"process {pid} has ended")


def main() -> int:
    """Be the bot."""
    api_url, gateway_url, token = sys.argv[1:]
    settings, plugins = prepare(None)
    logs.set_up(settings.log_level)
    discord = cast(LoopbackDiscord, SimpleNamespace(api_url=api_url, gateway_url=gateway_url))

    async def run() -> None:
        store = Store.of(settings.database, settings.data_dir)
        await serve_until_stopped(Townhall(settings, store, plugins, env_file=None), token)

    with point_discord_at(discord):
        asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
