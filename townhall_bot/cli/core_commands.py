"""The core's own commands: what each takes on the command line, and what it does with that.

Each imports what it needs when it runs, so that ``--help`` is there at once.
"""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path

from townhall_bot.cli.run import run, run_options
from townhall_bot.cli.terminal import FAILED, OK, note
from townhall_bot.formatting import format_bytes
from townhall_bot.ops import logs
from townhall_bot.plugins import CliCommand

LOCAL_EXAMPLES = """examples:
  townhall local --say '/gpt2 prompt:Hello count:16'
  townhall local --say '/gpt2-config' --as admin

Without --say, the address of a page is printed, and opened where there is a screen: a server with two channels,
where you type commands as you would in Discord. Ctrl-C ends it.
With --say the exit status is 0, or 1 where the command was refused or failed.
"""


def _reload_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Have the running bot bring those plugins up anew whose files or settings have changed, or that failed; "
        "the others go on."
    )


def _reload(arguments: argparse.Namespace) -> int:
    import os

    from townhall_bot.lifecycle import RELOAD
    from townhall_bot.settings import Settings, load_settings
    from townhall_bot.store import lock

    data_dir = load_settings(Settings).data_dir
    pid = lock.holders_pid(data_dir)
    if pid is None:
        note(f"no bot runs with {data_dir}. TOWNHALL_DATA_DIR says where another one keeps its data.")
        return FAILED
    try:
        os.kill(pid, RELOAD)
    except (ProcessLookupError, PermissionError) as error:
        note(f"process {pid} cannot be told: {error.strerror}. Do it as the user that runs the bot.")
        return FAILED
    print(f"The bot (process {pid}) looks at its plugins now; its log says which it reloads.")
    return OK


def _local_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Start a Discord on this machine and connect the bot to it: no account, no token."
    parser.epilog, parser.formatter_class = LOCAL_EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--say", metavar="COMMAND", help="type this command, show what the channel shows, and end")
    parser.add_argument("--as", dest="as_", metavar="NAME", help="who types: admin, ada (default), ben or stranger")
    parser.add_argument("--port", type=int, default=0, help="the page's port (default: any free one)")
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
    parser.add_argument("--weather-seed", type=int, default=0, metavar="N", help="which drizzle or storm (default: 0)")


def _local(arguments: argparse.Namespace) -> int:
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


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Check this machine and the settings. Exit status 1 where a line fails."
    asks = parser.add_mutually_exclusive_group()
    asks.add_argument(
        "--online",
        action="store_true",
        help="fail where there is no token to ask Discord with (default: ask where there is)",
    )
    asks.add_argument("--offline", action="store_true", help="do not ask Discord")


def _doctor(arguments: argparse.Namespace) -> int:
    from townhall_bot.ops import doctor
    from townhall_bot.rehearsal import rehearse

    online = True if arguments.online else False if arguments.offline else None

    async def tell() -> list[bool]:
        passed = []
        async for check in doctor.examine(rehearse, online=online):
            passed.append(check.ok)
            print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}", flush=not check.cure)
            if check.cure:
                print(f"      {'cure' if not check.ok else 'hint'}: {check.cure}", flush=True)
        return passed

    passed = asyncio.run(tell())
    failed = passed.count(False)
    print(f"\n{failed} of {len(passed)} checks failed." if failed else f"\nAll {len(passed)} checks passed.")
    return FAILED if failed else OK


def _setup_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Ask for the bot's token without showing it, check it with Discord, and write it to .env."


def _setup(arguments: argparse.Namespace) -> int:
    from townhall_bot.cli import setup

    return setup.run()


def _new_plugin_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a working plugin with its test into a folder that pip can install."
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to (default: townhall-NAME here)")


def _new_plugin(arguments: argparse.Namespace) -> int:
    from importlib.metadata import entry_points

    from townhall_bot.cli import new_plugin
    from townhall_bot.plugins import ENTRY_POINT_GROUP
    from townhall_bot.plugins.discovery import CORE

    taken = CORE | {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    try:
        folder = new_plugin.write(arguments.name, arguments.folder, taken)
    except new_plugin.NewPluginError as error:
        note(str(error))
        return FAILED
    print(
        f"A plugin is in {folder}. What it does is in townhall_{arguments.name.replace('-', '_')}/plugin.py.\n"
        f"  cd {folder}\n"
        "  pip install -e '.[test]'\n"
        "  pytest\n"
        "  townhall local --reload     try it; it reloads when you save a file"
    )
    return OK


def _backup_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Copy settings, audit trail and statistics to a file. The bot may run meanwhile. `townhall restore` goes back."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="where to; an older backup there is replaced")


def _backup(arguments: argparse.Namespace) -> int:
    from townhall_bot.settings import Settings, load_settings
    from townhall_bot.store import database_in
    from townhall_bot.store.backup import back_up

    size = back_up(database_in(load_settings(Settings).data_dir), arguments.file)
    print(f"{arguments.file}: {format_bytes(size)}, complete and checked")
    return OK


def _restore_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Go back to a backup. Stop the bot before. The present database is kept beside the restored one."
    )
    parser.add_argument("file", metavar="FILE", help="what `townhall backup` wrote; - reads it from standard input")


def _restore(arguments: argparse.Namespace) -> int:
    from townhall_bot.settings import Settings, load_settings
    from townhall_bot.store import database_in, lock
    from townhall_bot.store.restore import restore, spooled

    database = database_in(load_settings(Settings).data_dir)
    try:
        with spooled(sys.stdin.buffer) if arguments.file == "-" else nullcontext(Path(arguments.file)) as backup:
            done = restore(backup, database)
    except lock.Held as error:
        note(str(error))
        return FAILED
    print(f"{database}: restored, {done.state}")
    if done.kept is not None:
        print(f"The one from before is kept as {done.kept}; remove it when all is well.")
    return OK


CORE_COMMANDS = (
    CliCommand("run", "serve on Discord", run_options, run),
    CliCommand("reload", "have the running bot reload plugins that changed", _reload_options, _reload),
    CliCommand("local", "a Discord on this machine, with the bot connected to it", _local_options, _local),
    CliCommand("doctor", "check this machine and the settings; name each cure", _doctor_options, _doctor),
    CliCommand("setup", "take a bot's token, check it, write .env, show the invitation", _setup_options, _setup),
    CliCommand("new-plugin", "write a working plugin with its test", _new_plugin_options, _new_plugin),
    CliCommand("backup", "copy the database to a file, while the bot runs", _backup_options, _backup),
    CliCommand("restore", "put a backup in the database's place", _restore_options, _restore),
)
