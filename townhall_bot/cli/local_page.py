"""``townhall local`` without ``--say``: serves the page until it is stopped."""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import webbrowser
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from townhall_bot.cli.terminal import FAILED, OK, note
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.web.server import PageServer
from townhall_bot.ops.health import why_not

THIS_MACHINE = "127.0.0.1"
OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES)
"""Why one cannot listen at a port, where the host is not to blame."""


@dataclass(frozen=True, slots=True)
class PageOptions:
    """How the page is served: ``port`` 0 takes a free one; ``browser`` opens it."""

    port: int = 0
    host: str = THIS_MACHINE
    browser: bool = True
    as_: str | None = None


async def serve_page(
    discord: LoopbackDiscord, connected: AbstractAsyncContextManager[object], options: PageOptions
) -> int:
    """Show the page at once, bring the bot in meanwhile, and serve until SIGINT or SIGTERM. Returns the exit status."""
    page = PageServer(discord, options.port, options.host)
    stopped = _on_signals()
    try:
        await page.__aenter__()
    except (OSError, UnicodeError) as error:
        cure = "Choose another with --port, or leave --port out for any free one."
        if not isinstance(error, OSError) or error.errno not in OF_THE_PORT:
            cure = "Leave --host out for this machine alone; --host 0.0.0.0 lets others in."
        note(f"the page cannot listen on {options.host} port {options.port}: {why_not(error)}. {cure}")
        return FAILED
    try:
        address = page.address + (f"&as={options.as_}" if options.as_ else "")
        print(f"Townhall is at {address}", flush=True)
        if page.access.is_open:
            note(
                f"WARNING: --host {options.host} lets other machines reach this page, unencrypted. Whoever has the "
                "address with its key can act as anybody here, the admin too. For a network that you trust."
            )
        if options.browser and _has_screen():
            await asyncio.to_thread(webbrowser.open, address)
        async with connected:
            note("the bot is there. Type / in the page; Ctrl-C here ends it.")
            await stopped.wait()
    finally:
        await page.__aexit__()
    return OK


def _on_signals() -> asyncio.Event:
    """Return an event that the first signal sets; a second one ends the program as usual, even where a stop hangs."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        stopped.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return stopped


def _has_screen() -> bool:
    # Without one a browser for terminals would open, over this program's own output.
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
