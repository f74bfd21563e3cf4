"""``townhall gpt2``: one text on the command line, through the bot's own scheduler; all but the text on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plugins.gpt2.cli.ctrl_c import CtrlC
from plugins.gpt2.cli.generate_options import PROMPT, STANDARD_INPUT, configure, sampling_of
from plugins.gpt2.cli.loading import load
from plugins.gpt2.cli.report import as_json, share, summary
from plugins.gpt2.cli.told_warnings import told
from plugins.gpt2.cli.writing import Growing, write
from plugins.gpt2.engine.sampling import check_sampling
from plugins.gpt2.protocol import EngineFailed, GenerationError, GenerationRequest, InvalidRequest
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.cli.output import OutputLost
from townhall_bot.cli.parser import Parser
from townhall_bot.cli.terminal import FAILED, INTERRUPTED, USAGE, note, take_any_bytes, tell
from townhall_bot.settings import SettingsError, given_settings, load_settings, unknown_settings

if TYPE_CHECKING:
    from plugins.gpt2.model.gpt2 import GPT2

STOPPED = "stopped while loading; nothing was written."


class WrongArguments(ValueError):
    """Arguments that do not go together."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command as a program of its own; return its exit status as :func:`run` does."""
    parser = Parser(prog="townhall gpt2")
    configure(parser)
    return run(parser.parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Do what was asked; return the exit status: 0, 1 where it failed, 2 for wrong arguments, 130 after Ctrl-C."""
    try:
        settings = load_settings(GPT2Settings)
        _tell_unknown_settings()
        request = _request(options, settings)
    except KeyboardInterrupt:  # while standard input was read
        return _complain("stopped; nothing was written.", INTERRUPTED)
    except (SettingsError, InvalidRequest, WrongArguments) as error:
        return _complain(str(error), USAGE)
    ctrl_c = CtrlC()
    try:
        with ctrl_c, told("townhall gpt2"):
            model, load_ms = load(request.model, options.weights, options.draft, settings, ctrl_c)
            if options.interactive:
                from plugins.gpt2.cli.session import Session

                return Session(model, options, settings, ctrl_c).run(_prompt(options))
            return _one_text(model, load_ms, request, options, ctrl_c)
    except KeyboardInterrupt:
        return _complain(STOPPED, INTERRUPTED)
    except (BrokenPipeError, OutputLost):  # who reads no more is no failure of the model's
        raise
    except EngineFailed as error:
        return _complain(
            f"{error} `townhall models verify {request.model}` tells whether the model is damaged.", FAILED
        )
    except (GenerationError, ValueError, OSError, RuntimeError, MemoryError) as error:
        if ctrl_c.pressed:  # at a terminal it ends a compiler too, which then seems to have failed
            return _complain(STOPPED, INTERRUPTED)
        # CheckpointError is a ValueError, NoCompiler a RuntimeError: each says what to do
        return _complain(str(error) or type(error).__name__, FAILED)


def _tell_unknown_settings() -> None:
    """Tell of each variable that looks like one of the plugin's settings and is none: it would not be missed."""
    prefix = str(GPT2Settings.model_config.get("env_prefix"))
    mine = {name: value for name, value in given_settings().items() if name.startswith(prefix)}
    for warning in unknown_settings([GPT2Settings], mine):
        note(warning, "gpt2")


def _request(options: argparse.Namespace, settings: GPT2Settings) -> GenerationRequest:
    """Return what is asked for, the prompt read where it stands elsewhere. Raises WrongArguments and InvalidRequest."""
    if options.text is not None and options.prompt is not None:
        raise WrongArguments("there are two prompts, one as --prompt and one without; leave one of them out.")
    if options.interactive and options.json:
        raise WrongArguments("--json is for one text and --interactive for several; leave one of them out.")
    if options.interactive and _prompt(options) == STANDARD_INPUT:
        raise WrongArguments("--interactive reads standard input line by line; leave the prompt - out.")
    sampling = sampling_of(options, settings)
    check_sampling(sampling)
    prompt = _prompt(options)
    return GenerationRequest(
        PROMPT if prompt is None else _read() if prompt == STANDARD_INPUT else prompt,
        options.count,
        options.model_size,
        sampling,
        turns=tuple(options.turn),
        special_tokens=True,  # the command line is the host's; what members type goes through the bot
    )


def _prompt(options: argparse.Namespace) -> str | None:
    prompt: str | None = options.text if options.prompt is None else options.prompt
    return prompt


def _read() -> str:
    """Return what standard input holds, without the end of its last line, which programs put there and nobody means."""
    if sys.stdin.isatty():
        tell("Type the prompt; Ctrl-D on a line of its own ends it.")
    take_any_bytes()
    return sys.stdin.read().removesuffix("\n")


def _one_text(
    model: GPT2, load_ms: float, request: GenerationRequest, options: argparse.Namespace, ctrl_c: CtrlC
) -> int:
    from plugins.gpt2.engine.scheduler import Scheduler

    tell("Generating text...")
    out = Growing(request.prompt, silent=options.json)
    written = write(Scheduler(model), request, ctrl_c, out, timed=options.timing)
    if options.json:
        print(json.dumps(as_json(written, model, load_ms), ensure_ascii=False))
    if written.finished is None:
        return INTERRUPTED
    if written.finished.reason == "context":
        tell(f"{request.model} can hold no more: the text ends after {written.finished.timing.new_tokens} new tokens.")
    if options.timing:
        tell(summary(written.finished.timing))
        tell(share(written.finished.timing, model))
    return INTERRUPTED if written.finished.reason == "cancelled" else 0


def _complain(message: str, status: int) -> int:
    note(message, "gpt2")
    return status
