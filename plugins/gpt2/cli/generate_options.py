"""The options of ``townhall gpt2``."""

from __future__ import annotations

import argparse

from plugins.gpt2.checkpoint.config_file import MOST_POSITIONS
from plugins.gpt2.checkpoint.model_names import known_models
from plugins.gpt2.model.constants import WEIGHT_NAMES
from plugins.gpt2.protocol import BOUNDS, GREEDY_BELOW, SamplingParams
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.cli.bounded import Decimal, Whole
from townhall_bot.settings import SettingsError, load_settings

PROMPT = "What is the answer to life, the universe, and everything?"
STANDARD_INPUT = "-"
_WHOLE = ("top_k", "seed")
NUMBERS: dict[str, Whole | Decimal] = {
    "count": Whole(1, MOST_POSITIONS),
    **{
        name: Whole(int(low), int(high)) if name in _WHOLE else Decimal(low, high)
        for name, (low, high) in BOUNDS.items()
    },
}
"""What the command's numbers, and those of ``/set``, may be; a session shows them in this order."""
EXAMPLES = """examples:
  townhall gpt2 "My fellow citizens" --count 40
  townhall gpt2 --interactive --model-size gpt2-medium
  townhall gpt2 --model-size gpt2-medium --temperature 0 --timing
  fortune | townhall gpt2 - --count 60 > text.txt
  townhall gpt2 "Once upon a time" --seed 7 --json | tail -1

The text is on standard output, as it grows; all else is on standard error. Options may be spelled with _ as well.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments; their defaults are the settings'."""
    try:
        settings = load_settings(GPT2Settings)
    except SettingsError:  # whoever runs the command is told
        settings = GPT2Settings.model_construct()
    parser.description = "Continue a text with GPT-2 on this machine, without Discord."
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    _what_to_write(parser, settings)
    _how_to_draw(parser, settings)
    _with_what(parser, settings)
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--interactive", action="store_true", help="write one text after another, without loading the model again"
    )
    shown.add_argument("--timing", action="store_true", help="time every token, and sum up (default: no)")
    shown.add_argument(
        "--json", action="store_true", help="print one JSON object at the end instead of the text (default: no)"
    )


def _what_to_write(parser: argparse.ArgumentParser, settings: GPT2Settings) -> None:
    parser.add_argument(
        "text",
        nargs="?",
        metavar="PROMPT",
        help="the text to continue; - reads it from standard input; special tokens such as <|endoftext|> may stand in "
        f"it (default: {PROMPT})",
    )
    parser.add_argument("--prompt", metavar="PROMPT", help="the same, as an option")
    parser.add_argument(
        "--turn",
        action="append",
        default=[],
        metavar="TEXT",
        help="what was said before the prompt in a conversation; repeatable, the oldest first (default: nothing)",
    )
    parser.add_argument(
        "--count",
        type=NUMBERS["count"],
        default=100,
        metavar="N",
        help=f"the most new tokens, {NUMBERS['count']}; the model's context ends it too (default: %(default)s)",
    )
    parser.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="end before this text; repeatable (default: none)"
    )


def _how_to_draw(parser: argparse.ArgumentParser, settings: GPT2Settings) -> None:
    draw = parser.add_argument_group("how the next token is chosen")

    def number(name: str, default: float | None, says: str, shown: str = "%(default)s") -> None:
        text = f"{says}; {NUMBERS[name]} (default: {shown})"
        draw.add_argument(f"--{name.replace('_', '-')}", type=NUMBERS[name], default=default, metavar="N", help=text)

    number("temperature", settings.temperature, "randomness, 0 is greedy")
    number("top_k", 0, "draw from so many likeliest tokens, 0: from all")
    number("top_p", settings.top_p, "share of probability to draw from")
    number("min_p", 0.0, "leave out what is less likely than so much of the likeliest")
    penalty = f"{settings.repetition_penalty}, and 1 where greedy"
    number("repetition_penalty", None, "how much used tokens lose, 1: nothing", penalty)
    number("seed", None, "the same seed gives the same text", "a fresh one")


def _with_what(parser: argparse.ArgumentParser, settings: GPT2Settings) -> None:
    model = parser.add_argument_group("with what")
    model.add_argument(
        "--model-size",
        default=settings.model,
        metavar="M",
        help=f"{', '.join(known_models())}, a hub id or a folder (default: %(default)s)",
    )
    model.add_argument(
        "--weights",
        choices=WEIGHT_NAMES,
        default=settings.weights,
        help=f"how weights are kept (default: {settings.weights or 'int8 on a CPU, fp16 on a GPU'})",
    )
    model.add_argument(
        "--draft",
        default=settings.draft,
        metavar="M",
        help="a small model of the same vocabulary that guesses ahead, as distilgpt2 for gpt2-large "
        f"(default: {settings.draft or 'none'})",
    )


def sampling_of(options: argparse.Namespace, settings: GPT2Settings) -> SamplingParams:
    """Return how tokens are chosen; greedy is plainly that, unless a penalty is asked for."""
    penalty = options.repetition_penalty
    if penalty is None:
        penalty = 1.0 if options.temperature < GREEDY_BELOW else settings.repetition_penalty
    return SamplingParams(
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        min_p=options.min_p,
        repetition_penalty=penalty,
        seed=options.seed,
        stop=tuple(options.stop),
    )
