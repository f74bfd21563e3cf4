"""The core's own commands, all of them; those that serve and those about data have files of their own.

Each imports what it needs when it runs, so that ``--help`` is there at once.
"""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from pathlib import Path

from townhall_bot.cli import completion
from townhall_bot.cli import data_commands as data
from townhall_bot.cli import serve_commands as serve
from townhall_bot.cli.output import GREEN, RED, write_coloured
from townhall_bot.cli.run import run, run_options
from townhall_bot.cli.terminal import FAILED, OK, note
from townhall_bot.plugins import CliCommand
from townhall_bot.redaction import without_secrets


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
            detail, cure = without_secrets(check.detail), without_secrets(check.cure)
            write_coloured(*(("ok  ", GREEN) if check.ok else ("FAIL", RED)))
            print(f"  {check.name}: {detail}", flush=not cure)
            if cure:
                print(f"      {'cure' if not check.ok else 'hint'}: {cure}", flush=True)
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
        f"  {shlex.quote(sys.executable)} -m pip install -e '.[test]'\n"
        f"  {shlex.quote(sys.executable)} -m pytest\n"
        f"  {shlex.quote(sys.executable)} -m townhall_bot local --reload     try it; it reloads when you save a file"
    )
    return OK


CORE_COMMANDS = (
    CliCommand("run", "serve on Discord", run_options, run),
    CliCommand("reload", "have the running bot reload plugins that changed", serve.reload_options, serve.reload),
    CliCommand("local", "a Discord on this machine, with the bot connected to it", serve.local_options, serve.local),
    CliCommand("doctor", "check this machine and the settings; name each cure", _doctor_options, _doctor),
    CliCommand("setup", "take a bot's token, check it, write .env, show the invitation", _setup_options, _setup),
    CliCommand("new-plugin", "write a working plugin with its test", _new_plugin_options, _new_plugin),
    CliCommand("backup", "copy the database to a file, while the bot runs", data.backup_options, data.backup),
    CliCommand("copy-database", "copy the database into PostgreSQL", data.copy_options, data.copy_database),
    CliCommand("restore", "put a backup in the database's place", data.restore_options, data.restore),
    CliCommand("completion", "print a script for your shell's Tab key", completion.options, completion.completion),
)
