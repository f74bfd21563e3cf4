"""``townhall router`` and ``townhall engine``: the parts of a house of several machines, each until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from plugins.gpt2.settings import GPT2Settings, router_addresses
from townhall_bot.cli.bounded import PORT, Decimal, shown
from townhall_bot.cli.terminal import FAILED, USAGE, note
from townhall_bot.ops import logs
from townhall_bot.settings import Settings, SettingsError, load_settings

ROUTER_PORT = 8765
DRAIN_S = 60.0
DRAIN = Decimal(0, 3600)

log = logging.getLogger("townhall.gpt2.serve")


def configure_router(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``townhall router``."""
    _listen(parser, f"127.0.0.1:{ROUTER_PORT}")


def configure_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``townhall engine``."""
    parser.add_argument(
        "--router",
        metavar="URL[,URL]",
        type=routers_of,
        default=(),
        help="where to register, at each of them (TOWNHALL_GPT2_ROUTER where this is not given)",
    )
    parser.add_argument(
        "--url",
        type=_url,
        metavar="URL",
        help="where routers reach this engine; without it, at the address that its registration comes from",
    )
    parser.add_argument(
        "--drain",
        type=DRAIN,
        default=DRAIN_S,
        metavar="SECONDS",
        help=f"how long texts may take to their end after SIGTERM, {DRAIN} (default: {DRAIN_S:g})",
    )
    _listen(parser, "127.0.0.1:0")


def run_router(arguments: argparse.Namespace) -> int:
    """Serve the line until SIGTERM or Ctrl-C; return the exit status."""
    return _run("router", lambda settings: _router(settings, *arguments.listen))


def run_engine(arguments: argparse.Namespace) -> int:
    """Serve this machine's engine until SIGTERM or Ctrl-C; return the exit status."""

    def begin(settings: GPT2Settings) -> Coroutine[Any, Any, None]:
        routers = arguments.router or settings.router
        if not routers:
            raise SettingsError("An engine needs to know its router: townhall engine --router http://127.0.0.1:8765")
        return _engine(settings, routers, *arguments.listen, url=arguments.url, drain_s=arguments.drain)

    return _run("engine", begin)


def _listen(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--listen",
        type=_address,
        default=_address(default),
        metavar="HOST:PORT",
        help=f"where to take requests ({default}); beyond loopback TOWNHALL_GPT2_ROUTER_SECRET has to be set",
    )


def routers_of(text: str) -> tuple[str, ...]:
    """Return the addresses of routers; raises argparse's error."""
    try:
        return router_addresses(tuple(part.strip() for part in text.split(",") if part.strip()))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _url(text: str) -> str:
    bare = text.startswith("http://:")  # without a host it is the one that the registration comes from
    try:
        router_addresses((text.replace("://:", "://host:") if bare else text,))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{shown(text)} is no address; one looks like http://engine:8766, or http://:8766"
        ) from None
    return text


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        return host.strip("[]") or "127.0.0.1", PORT(port)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{shown(text)} is not HOST:PORT, such as 127.0.0.1:{ROUTER_PORT}, with a port from {PORT}"
        ) from None


def _run(command: str, begin: Callable[[GPT2Settings], Coroutine[Any, Any, None]]) -> int:
    from plugins.gpt2.wire.serving import NoSecret, NotListening

    try:
        host = load_settings(Settings)
        logs.set_up(host.log_level, style=host.log_format)
        asyncio.run(begin(load_settings(GPT2Settings)))
    except (SettingsError, NoSecret) as error:
        note(str(error), command)
        return USAGE  # starting again does not mend it, as with ``townhall run``
    except NotListening as error:
        note(str(error), command)
        return FAILED
    return 0


async def _router(settings: GPT2Settings, host: str, port: int) -> None:
    from plugins.gpt2.router.fleet import Fleet
    from plugins.gpt2.router.router import Router
    from plugins.gpt2.router.server import RouterServer
    from plugins.gpt2.wire.calling import session
    from plugins.gpt2.wire.serving import listen

    async with session(settings.secret) as calls:
        server = RouterServer(Router(settings, Fleet(calls)), settings.secret)
        runner, port = await listen(server.app, host, port, settings.secret)
        log.info("the router listens on %s port %d", host, port)
        try:
            await _until_told()
        finally:
            await runner.cleanup()


async def _engine(
    settings: GPT2Settings, routers: tuple[str, ...], host: str, port: int, *, url: str | None, drain_s: float
) -> None:
    from plugins.gpt2.engine_host.running import RunningEngine

    engine = RunningEngine(settings)
    try:
        await engine.begin(routers, host, port, url=url)
        await _until_told()
        await engine.leave(drain_s)
    finally:
        await engine.end()


async def _until_told() -> None:
    """Wait for SIGTERM or Ctrl-C."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows; there Ctrl-C raises KeyboardInterrupt
            loop.add_signal_handler(number, told.set)
    await told.wait()
