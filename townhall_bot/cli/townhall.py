"""The ``townhall`` command: what was asked for, of the core's commands and those that plugins bring, is done."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import NoReturn

from townhall_bot.cli import output
from townhall_bot.cli.core_commands import CORE_COMMANDS
from townhall_bot.cli.parser import Parser, did_you_mean
from townhall_bot.cli.terminal import FAILED, INTERRUPTED, OK, USAGE, note, tell
from townhall_bot.ops import logs
from townhall_bot.plugins import CliCommand, discovery
from townhall_bot.redaction import without_secrets
from townhall_bot.settings import Settings, SettingsError, export_other_variables, load_settings
from townhall_bot.store import StoreError

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 for a failure, 2 for wrong usage or settings."""
    return output.bearing(lambda: _obey(argv))


def _obey(argv: Sequence[str] | None) -> int:
    arguments = _asking_for_help(list(sys.argv[1:] if argv is None else argv))
    logs.set_up("CRITICAL")  # until the settings say otherwise; what fails before is said by this module
    try:
        export_other_variables()
        parser = _core_parser()
        asked = next((word for word in arguments if not word.startswith("-")), None)
        if asked not in parser.commands.choices or asked == "completion":
            _add_plugin_commands(parser)
            if asked is not None and asked not in parser.commands.choices:
                near = did_you_mean(asked, parser.commands.choices)
                parser.error(f"there is no command {asked!r}.{near} `townhall --help` lists them.")
        parsed = parser.parse_args(arguments)
        run: Callable[[argparse.Namespace], int] | None = getattr(parsed, "run", None)
        if run is None:
            parser.print_help()
            return USAGE
        parsed.whole_parser = parser
        return run(parsed)
    except SettingsError as error:
        note(f"a setting is wrong.\n{error}")
        return USAGE
    except StoreError as error:
        note(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as error:  # argparse's way out, and perhaps a plugin's, which may say why
        if isinstance(error.code, str):
            note(error.code)
            return FAILED
        return error.code or OK


def _asking_for_help(arguments: list[str]) -> list[str]:
    """Return ``gpt2 --help`` for ``help gpt2``, as many programs have it."""
    return [*arguments[1:], "--help"] if arguments[:1] == ["help"] else arguments


def _core_parser() -> _Parser:
    parser = _Parser()
    for command in CORE_COMMANDS:
        parser.add(command)
    return parser


class _Parser(argparse.ArgumentParser):
    """The parser, with the table of subcommands."""

    def __init__(self) -> None:
        super().__init__(
            "townhall",
            description="A Discord bot that runs GPT-2 on this machine.",
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument("-V", "--version", action="version", version=f"townhall {version('townhall-bot')}")
        self.commands = self.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    def error(self, message: str) -> NoReturn:
        """Say in a line what is wrong, as a command's own parser does; exit with status 2."""
        self.exit(USAGE, f"{self.prog}: {message}\n")

    def add(self, command: CliCommand) -> None:
        """Add a subcommand; raises ValueError where there is one of that name."""
        if command.name in self.commands.choices:
            raise ValueError(f"there is already a command `townhall {command.name}`")
        subparser = self.commands.add_parser(command.name, help=command.help, description=command.help)
        command.configure(subparser)
        subparser.set_defaults(run=command.run)


def _add_plugin_commands(parser: _Parser) -> None:
    """Add what plugins bring. One that fails here is named, and the others' commands are there."""
    try:
        settings = load_settings(Settings)
        plugins = discovery.find_plugins(settings)
    except SettingsError:  # the command that needs the settings will say what is wrong with them
        settings = Settings.model_construct()
        plugins = discovery.find_plugins(settings)
    for loaded in plugins:
        try:
            for command in loaded.cls.cli_commands() if loaded.cls is not None else ():
                parser.add(_failing_alone(loaded.name, command, debug=settings.log_level == "DEBUG"))
        except Exception as error:
            loaded.fail("cli_commands()", error)
        if loaded.failure is not None:
            note(f"plugin {loaded.name} {loaded.failure}. See: townhall doctor")


def _failing_alone(plugin: str, command: CliCommand, *, debug: bool) -> CliCommand:
    """Return the command of a plugin; what it raises is told in a line, with the traceback where ``debug``."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            return command.run(arguments)
        except (SettingsError, StoreError, BrokenPipeError, output.OutputLost):  # which main knows
            raise
        except Exception as error:
            if debug:
                tell(without_secrets(traceback.format_exc()))
            reason = " ".join(f"{type(error).__name__}: {error}".rstrip(": ").split())
            more = "" if debug else " TOWNHALL_LOG_LEVEL=DEBUG shows where."
            note(f"plugin {plugin} failed at `townhall {command.name}`: {reason}.{more}")
            return FAILED

    return replace(command, run=run)
