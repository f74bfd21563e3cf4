"""``townhall run``: serves on Discord until it is told to stop, and says in a line why it ended otherwise.

Exit status 2 is for what a restart cannot mend (a token, a setting, an old version): a service manager that starts
what failed again leaves it alone then. 1 is for everything else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
from pathlib import Path

from townhall_bot.cli.terminal import FAILED, OK, USAGE, note
from townhall_bot.ops import logs

log = logging.getLogger("townhall.bot")

PORTAL = "https://discord.com/developers/applications"
NEW_TOKEN = f"Reset it at {PORTAL} (your application → Bot) and give the new one to `townhall setup`."
FINAL_CLOSES = {
    4004: f"Discord no longer accepts TOWNHALL_TOKEN: it was reset while the bot ran. {NEW_TOKEN}",
    4010: "Discord takes the bot for one of several shards, which it is not. Upgrade Townhall.",
    4011: "the bot is in more servers than Discord allows one connection (2,500), and it has one. Have it leave "
    "some, or share them out among shards with TOWNHALL_SHARDS=auto.",
    4012: "Discord no longer speaks the gateway's version that this discord.py does. Upgrade Townhall.",
    4013: "Discord does not know the intents that were asked for. Upgrade Townhall.",
    4014: f"Discord refuses an intent that the bot asked for. At {PORTAL} (your application → Bot), see whether the "
    "application is blocked; Townhall needs no privileged intent.",
}
"""Gateway close codes after which Discord wants no other try (its documentation, "Gateway Close Event Codes")."""


def run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``townhall run``."""
    parser.description = "Serve on Discord until stopped."
    parser.add_argument(
        "--sync", action="store_true", help="register the commands again, even where they seem unchanged"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve; return the exit status."""
    from townhall_bot.plugins.discovery import prepare, warn_of_unknown

    logs.set_up("WARNING")  # a plugin that cannot be imported is in the log, with its traceback
    settings, plugins = prepare()
    logs.set_up(settings.log_level, style=settings.log_format)
    warn_of_unknown(plugins)
    if settings.token is None:
        note(
            f"TOWNHALL_TOKEN is set neither in the environment nor in {Path('.env').absolute()}. "
            "`townhall setup` says where to get a token, and writes it there.\n"
            "To try Townhall without an account: townhall local"
        )
        return USAGE
    import signal

    from townhall_bot.lifecycle import RELOAD, serve_until_stopped
    from townhall_bot.shards.bot import alone_on_server, bot_class
    from townhall_bot.store import Store, lock

    async def serve(token: str, data_folder: contextlib.ExitStack) -> None:
        store = await asyncio.to_thread(Store.of, settings.database, settings.data_dir)
        bot = bot_class(settings)(settings, store, plugins, always_sync=arguments.sync)
        try:
            async with alone_on_server(settings):
                await serve_until_stopped(bot, token)
        finally:
            data_folder.close()  # now, and not where a thread that hangs keeps this process from ending

    signal.signal(RELOAD, signal.SIG_IGN)  # by default it would end a bot that has only just started
    try:
        with contextlib.ExitStack() as data_folder:
            data_folder.enter_context(
                lock.held(settings.data_dir, settings.lock_wait_s, shared=settings.shards is not None)
            )
            asyncio.run(serve(settings.token.get_secret_value(), data_folder))
    except lock.Held as error:
        note(str(error))
        return FAILED
    except Exception as error:
        ending = why_ended(error)
        if ending is None:
            raise
        said, status = ending
        log.debug("ended by", exc_info=error)
        note(said)
        return status
    return OK


def why_ended(error: Exception) -> tuple[str, int] | None:
    """Return what ended the bot, with the cure, and the exit status; None for what Discord has no part in."""
    import aiohttp
    import discord

    from townhall_bot.discordpy.answers import PutOff, is_unreachable
    from townhall_bot.discordpy.bodies import one_line
    from townhall_bot.interactions import EndpointError
    from townhall_bot.ops import proxies

    if (found := proxies.problem(error)) is not None:
        return f"Discord cannot be reached: {found}", FAILED
    match error:
        case EndpointError():
            return str(error), USAGE
        case discord.LoginFailure() | discord.HTTPException(status=401):
            return f"Discord does not accept TOWNHALL_TOKEN. {NEW_TOKEN}", USAGE
        case discord.PrivilegedIntentsRequired():
            return FINAL_CLOSES[4014], USAGE
        case discord.ConnectionClosed(code=code) if code in FINAL_CLOSES:
            return FINAL_CLOSES[code], USAGE
        case discord.ConnectionClosed(code=code):
            return f"Discord closed the connection with code {code} and wants no other try. Start again later.", FAILED
        case PutOff(retry_after=pause):
            return f"Discord wants a pause of {pause:.0f} s before it lets this bot in again. Start it later.", FAILED
        case discord.HTTPException(status=429):
            return (
                "Discord has shut out this machine's address for a while: too many requests came from it (status 429). "
                "Wait an hour before the next start; each try prolongs it.",
                FAILED,
            )
        case _ if is_unreachable(error) or isinstance(error, discord.GatewayNotFound | aiohttp.ClientConnectionError):
            reason = one_line(error) or type(error).__name__
            return f"Discord cannot be reached: {reason}. Check the network and try again.", FAILED
        case discord.HTTPException(status=403):
            return (
                f"Discord, or what stands before it, refuses this machine: {one_line(error)}. If the token is right "
                "(`townhall doctor` asks), the address is blocked: another network, or some hours, help.",
                FAILED,
            )
        case discord.HTTPException():
            return f"Discord refused the start: {one_line(error)}.", FAILED
    return None
