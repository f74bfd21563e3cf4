"""The ``townhall`` command. Each part is imported where it is used, so that ``--help`` is there at once."""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from townhall_bot import logs

OK, FAILED, USAGE = 0, 1, 2
Run = Callable[[argparse.Namespace], int]

EXAMPLES = """examples:
  townhall local --say '/gpt2 prompt:"My fellow citizens" count:40'
                        try the bot on this machine; no account, no token
  townhall local        the same, with a page to type commands in
  townhall doctor       is everything there? what is missing, and its cure
  townhall setup        take a bot's token, check it, and show the link that invites the bot
  townhall run          serve on Discord; needs TOWNHALL_TOKEN in the environment or .env
  townhall backup F     copy the settings and statistics to the file F, while the bot runs

Settings are read from the environment and from .env; config.example.env documents each.
"""
LOCAL_EXAMPLES = """examples:
  townhall local --say '/gpt2 prompt:Hello count:16'
  townhall local --say '/gpt2-config' --as admin

Without --say, the address of a page is printed, and opened where there is a screen: a server with two channels,
where you type commands as you would in Discord. Ctrl-C ends it.
With --say the exit status is 0, or 1 where the command was refused or failed.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 for a failure, 2 for wrong usage or settings."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    logs.set_up("CRITICAL")  # until the settings say otherwise; what fails before is said by this module
    from townhall_bot.settings import SettingsError, export_other_variables
    from townhall_bot.store import StoreError

    try:
        export_other_variables()
        parser, core = _parser()
        if next((word for word in arguments if not word.startswith("-")), None) not in core:
            _add_plugin_commands(parser)
        parsed = parser.parse_args(arguments)
        run: Run | None = getattr(parsed, "run", None)
        if run is None:
            parser.print_help()
            return USAGE
        return run(parsed)
    except SettingsError as error:
        print(f"townhall: a setting is wrong.\n{error}", file=sys.stderr)
        return USAGE
    except StoreError as error:
        print(f"townhall: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130  # what a shell reports for a program that Ctrl-C ended
    except SystemExit as error:  # argparse's way out
        return error.code if isinstance(error.code, int) else USAGE


class _Parser(argparse.ArgumentParser):
    """The parser, with the table of subcommands that plugins add to."""

    commands: argparse._SubParsersAction[argparse.ArgumentParser]


def _parser() -> tuple[_Parser, set[str]]:
    """Return the parser and the names of the core's own commands."""
    keep = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        "townhall", description="A Discord bot that runs GPT-2 on this machine.", epilog=EXAMPLES, formatter_class=keep
    )
    parser.add_argument("--version", action="version", version=f"townhall {version('townhall-bot')}")
    parser.commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=argparse.ArgumentParser)

    run = parser.commands.add_parser("run", help="serve on Discord", description="Serve on Discord until stopped.")
    run.add_argument("--sync", action="store_true", help="register the commands again, even where they seem unchanged")
    run.set_defaults(run=_run)

    local = parser.commands.add_parser(
        "local",
        help="a Discord on this machine, with the bot connected to it",
        description="Start a Discord on this machine and connect the bot to it: no account, no token.",
        epilog=LOCAL_EXAMPLES,
        formatter_class=keep,
    )
    local.add_argument("--say", metavar="COMMAND", help="type this command, show what the channel shows, and end")
    local.add_argument("--as", dest="as_", metavar="NAME", help="who types: admin, ada (default), ben or stranger")
    local.add_argument("--port", type=int, default=0, help="the page's port (default: any free one)")
    local.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine alone)"
    )
    local.add_argument("--no-browser", action="store_true", help="print the page's address without opening it")
    local.add_argument("--state", type=Path, metavar="FILE", help="keep the server's state in this file")
    local.add_argument("--reload", action="store_true", help="reload a plugin when its files change")
    local.add_argument(
        "--weather",
        choices=("calm", "drizzle", "storm"),
        default="calm",
        help="how Discord and the network behave (default: %(default)s)",
    )
    local.add_argument("--weather-seed", type=int, default=0, metavar="N", help="which drizzle or storm (default: 0)")
    local.set_defaults(run=_local)

    doctor = parser.commands.add_parser(
        "doctor",
        help="check this machine and the settings; name each cure",
        description="Check this machine and the settings. Exit status 1 where a line fails.",
    )
    asks = doctor.add_mutually_exclusive_group()
    asks.add_argument("--online", action="store_true", help="ask Discord even without a token (default: with one)")
    asks.add_argument("--offline", action="store_true", help="do not ask Discord")
    doctor.set_defaults(run=_doctor)

    setup = parser.commands.add_parser(
        "setup",
        help="take a bot's token, check it, write .env, show the invitation",
        description="Ask for the bot's token without showing it, check it with Discord, and write it to .env.",
    )
    setup.set_defaults(run=_setup)

    new = parser.commands.add_parser(
        "new-plugin",
        help="write a working plugin with its test",
        description="Write a working plugin with its test into a folder that pip can install.",
    )
    new.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens")
    new.add_argument("--folder", type=Path, metavar="DIR", help="where to (default: townhall-NAME here)")
    new.set_defaults(run=_new_plugin)

    backup = parser.commands.add_parser(
        "backup",
        help="copy the database to a file, while the bot runs",
        description="Copy settings, audit trail and statistics to a file. The bot may run meanwhile. docs/operating.md "
        "tells how to go back to a backup.",
    )
    backup.add_argument("file", type=Path, metavar="FILE", help="where to; an older backup there is replaced")
    backup.set_defaults(run=_backup)
    return parser, set(parser.commands.choices)


def _add_plugin_commands(parser: _Parser) -> None:
    """Add what plugins bring. One that fails here is named, and the others' commands are there."""
    from townhall_bot.plugin_discovery import find_plugins
    from townhall_bot.settings import Settings, SettingsError, load_settings

    try:
        settings = load_settings(Settings)
        plugins = find_plugins(settings)
    except SettingsError:  # the command that needs the settings will say what is wrong with them
        plugins = find_plugins(Settings.model_construct())
    for loaded in plugins:
        try:
            for command in loaded.cls.cli_commands() if loaded.cls is not None else ():
                if command.name in parser.commands.choices:
                    raise ValueError(f"there is already a command `townhall {command.name}`")
                subparser = parser.commands.add_parser(command.name, help=command.help, description=command.help)
                command.configure(subparser)
                subparser.set_defaults(run=command.run)
        except Exception as error:
            loaded.fail("cli_commands()", error)
        if loaded.failure is not None:
            print(f"townhall: plugin {loaded.name} {loaded.failure}. See: townhall doctor", file=sys.stderr)


def _run(arguments: argparse.Namespace) -> int:
    from townhall_bot.plugin_discovery import prepare, warn_of_unknown

    logs.set_up("WARNING")  # a plugin that cannot be imported is in the log, with its traceback
    settings, plugins = prepare()
    logs.set_up(settings.log_level, style=settings.log_format)
    warn_of_unknown(plugins)
    if settings.token is None:
        print(
            "townhall: TOWNHALL_TOKEN is not set. Create a bot at https://discord.com/developers/applications, "
            "copy its token (Bot → Reset Token) and put TOWNHALL_TOKEN=… into .env.\n"
            "To try Townhall without an account: townhall local",
            file=sys.stderr,
        )
        return USAGE
    import aiohttp
    import discord

    from townhall_bot import lock
    from townhall_bot.bot import Townhall
    from townhall_bot.serving import serve_until_stopped
    from townhall_bot.store import Store

    async def serve(token: str) -> None:
        bot = Townhall(settings, Store.open(settings.data_dir / "townhall.db"), plugins, always_sync=arguments.sync)
        await serve_until_stopped(bot, token)

    try:
        with lock.held(settings.data_dir, settings.lock_wait_s):
            asyncio.run(serve(settings.token.get_secret_value()))
    except lock.Held as error:
        print(f"townhall: {error}", file=sys.stderr)
        return FAILED
    except discord.LoginFailure:
        print(
            "townhall: Discord does not accept TOWNHALL_TOKEN. Reset the token at "
            "https://discord.com/developers/applications (your application → Bot) and put the new one into .env.",
            file=sys.stderr,
        )
        return FAILED
    except (aiohttp.ClientConnectionError, discord.DiscordServerError, discord.GatewayNotFound) as error:
        print(f"townhall: Discord cannot be reached: {error}. Check the network and try again.", file=sys.stderr)
        return FAILED
    return OK


def _local(arguments: argparse.Namespace) -> int:
    from townhall_bot.local import Surroundings, run_local
    from townhall_bot.local_page import PageOptions
    from townhall_bot.plugin_discovery import prepare, warn_of_unknown

    settings, plugins = prepare()
    if "log_level" in settings.model_fields_set:
        logs.set_up(settings.log_level)
    else:
        logs.set_up("WARNING", plugins="INFO")  # who tries a command wants its answer, and what a plugin is busy with
    warn_of_unknown(plugins)
    for loaded in plugins:
        if loaded.failure is not None:
            print(f"townhall: plugin {loaded.name} {loaded.failure}. See: townhall doctor", file=sys.stderr)
    page = PageOptions(arguments.port, arguments.host, not arguments.no_browser, arguments.as_)
    around = Surroundings(arguments.state, arguments.weather, arguments.weather_seed, arguments.reload)
    return asyncio.run(
        run_local(settings, plugins, say=arguments.say, as_=arguments.as_ or "ada", page=page, around=around)
    )


def _doctor(arguments: argparse.Namespace) -> int:
    from townhall_bot import doctor

    online = True if arguments.online else False if arguments.offline else None
    checks = asyncio.run(doctor.examine(online=online))
    for check in checks:
        print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
        if check.cure:
            print(f"      {'cure' if not check.ok else 'hint'}: {check.cure}")
    failed = sum(not check.ok for check in checks)
    print(f"\n{failed} of {len(checks)} checks failed." if failed else f"\nAll {len(checks)} checks passed.")
    return FAILED if failed else OK


def _new_plugin(arguments: argparse.Namespace) -> int:
    from importlib.metadata import entry_points

    from townhall_bot import new_plugin
    from townhall_bot.plugins import ENTRY_POINT_GROUP

    taken = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)} | {"privacy"}  # the core's own
    try:
        folder = new_plugin.write(arguments.name, arguments.folder, frozenset(taken))
    except new_plugin.NewPluginError as error:
        print(f"townhall: {error}", file=sys.stderr)
        return FAILED
    print(
        f"A plugin is in {folder}. What it does is in townhall_{arguments.name.replace('-', '_')}/plugin.py.\n"
        f"  cd {folder}\n"
        "  pip install -e '.[test]'\n"
        "  pytest\n"
        "  townhall local --reload     try it; it reloads when you save a file"
    )
    return OK


def _setup(arguments: argparse.Namespace) -> int:
    from townhall_bot import setup_command

    return setup_command.run()


def _backup(arguments: argparse.Namespace) -> int:
    from townhall_bot.settings import Settings, load_settings
    from townhall_bot.store.backup import back_up

    size = back_up(load_settings(Settings).data_dir / "townhall.db", arguments.file)
    print(f"{arguments.file}: {size / 1e6:.1f} MB, complete and checked")
    return OK
