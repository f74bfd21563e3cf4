"""The commands that serve beside ``townhall run``: ``reload`` and ``local``.

Each imports what it needs when it runs, so that ``--help`` is there at once.
"""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from townhall_bot.cli.bounded import PORT, Whole
from townhall_bot.cli.terminal import FAILED, OK, note
from townhall_bot.ops import logs

WEATHER_SEED = Whole(0, 2**32 - 1)
LOCAL_EXAMPLES = """examples:
  townhall local --say '/gpt2 prompt:Hello count:16'
  townhall local --say '/gpt2-config' --as admin

Without --say, the address of a page is printed, and opened where there is a screen: a server with two channels,
where you type commands as you would in Discord. Ctrl-C ends it.
With --say the exit status is 0, or 1 where the command was refused or failed.
"""


def reload_options(parser: argparse.ArgumentParser) -> None:
    """Describe ``townhall reload``."""
    parser.description = (
        "Have the running bot bring those plugins up anew whose files or settings have changed, or that failed; "
        "the others go on."
    )


def reload(arguments: argparse.Namespace) -> int:
    """Tell the running bot to look at its plugins; return the exit status."""
    import os

    from townhall_bot.lifecycle import RELOAD
    from townhall_bot.settings import Settings, load_settings
    from townhall_bot.store import lock

    data_dir = load_settings(Settings).data_dir
    pid = lock.holders_pid(data_dir)
    if pid is None:
        note(f"no bot runs with {data_dir}. TOWNHALL_DATA_DIR says where another one keeps its data.")
        if lock.holder(data_dir / lock.LOCAL):
            note("`townhall local` does: it brings plugins up anew by itself where it was started with --reload.")
        return FAILED
    try:
        os.kill(pid, RELOAD)
    except (ProcessLookupError, PermissionError) as error:
        note(f"process {pid} cannot be told: {error.strerror}. Do it as the user that runs the bot.")
        return FAILED
    print(f"The bot (process {pid}) looks at its plugins now; its log says which it reloads.")
    return OK


def local_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``townhall local``."""
    parser.description = "Start a Discord on this machine and connect the bot to it: no account, no token."
    parser.epilog, parser.formatter_class = LOCAL_EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--say", metavar="COMMAND", help="type this command, show what the channel shows, and end")
    parser.add_argument(
        "--as", dest="as_", metavar="NAME", help="who types: ada (default), admin, ben, member, stranger"
    )
    parser.add_argument(
        "--port", type=PORT, default=0, metavar="N", help=f"the page's port, {PORT}; 0 is any free one (default: 0)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine alone)"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the page's address without opening it")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep the server's state in this file")
    parser.add_argument("--reload", action="store_true", help="reload a plugin when its files change")
    parser.add_argument(
        "--weather",
        choices=("calm", "drizzle", "storm"),
        default="calm",
        help="how Discord and the network behave (default: %(default)s)",
    )
    parser.add_argument(
        "--weather-seed",
        type=WEATHER_SEED,
        default=0,
        metavar="N",
        help=f"which drizzle or storm, {WEATHER_SEED} (default: 0)",
    )


def local(arguments: argparse.Namespace) -> int:
    """Serve on a Discord on this machine, or type one command there; return the exit status."""
    from townhall_bot.cli.local import Surroundings, run_local
    from townhall_bot.cli.local_page import PageOptions
    from townhall_bot.plugins.discovery import prepare, warn_of_unknown

    settings, plugins = prepare()
    if "log_level" in settings.model_fields_set:
        logs.set_up(settings.log_level, style=settings.log_format)
    else:  # who tries a command wants its answer, and what a plugin is busy with
        logs.set_up("WARNING", plugins="INFO", style=settings.log_format)
    warn_of_unknown(plugins)
    for loaded in plugins:
        if loaded.failure is not None:
            note(f"plugin {loaded.name} {loaded.failure}. See: townhall doctor")
    page = PageOptions(arguments.port, arguments.host, not arguments.no_browser, arguments.as_)
    around = Surroundings(arguments.state, arguments.weather, arguments.weather_seed, arguments.reload)
    return asyncio.run(
        run_local(settings, plugins, say=arguments.say, as_=arguments.as_ or "ada", page=page, around=around)
    )
