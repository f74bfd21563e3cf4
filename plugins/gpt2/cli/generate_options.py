"""The options of ``townhall gpt2``."""

from __future__ import annotations

import argparse

from plugins.gpt2.model.constants import OFFICIAL_MODELS, WEIGHT_NAMES
from plugins.gpt2.protocol import GREEDY_BELOW, SamplingParams
from plugins.gpt2.settings import GPT2Settings

PROMPT = "What is the answer to life, the universe, and everything?"
EXAMPLES = """examples:
  townhall gpt2 --prompt "My fellow citizens" --count 40
  townhall gpt2 --model_size gpt2-medium --temperature 0 --timing
  townhall gpt2 --prompt "Once upon a time" --seed 7 --json | tail -1
"""


def parser(settings: GPT2Settings) -> argparse.ArgumentParser:
    """Return the command's arguments; their defaults are the settings'."""
    sizes = ", ".join(("townhall-mini", *OFFICIAL_MODELS))
    made = argparse.ArgumentParser(
        prog="townhall gpt2",
        description="Continue a text with GPT-2 on this machine, without Discord.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--prompt",
        default=PROMPT,
        help="the text to continue; special tokens such as <|endoftext|> may stand in it (default: %(default)s)",
    )
    made.add_argument(
        "--turn",
        action="append",
        default=[],
        metavar="TEXT",
        help="what was said before the prompt in a conversation; may be given several times, the oldest first",
    )
    made.add_argument("--count", type=int, default=100, help="the most new tokens (default: %(default)s)")
    made.add_argument(
        "--temperature", type=float, default=settings.temperature, help="0 is greedy (default: %(default)s)"
    )
    made.add_argument("--top_k", type=int, default=0, help="draw from so many likeliest tokens; 0: from all")
    made.add_argument(
        "--top_p", type=float, default=settings.top_p, help="share of probability to draw from (default: %(default)s)"
    )
    made.add_argument(
        "--min_p", type=float, default=0.0, help="leave out what is less likely than so much of the likeliest"
    )
    made.add_argument(
        "--repetition_penalty",
        type=float,
        metavar="R",
        help=f"how much used tokens lose; 1: nothing (default: {settings.repetition_penalty}, and 1 where greedy)",
    )
    made.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before this text; repeatable")
    made.add_argument(
        "--model_size",
        default=settings.model,
        metavar="M",
        help=f"{sizes}, a hub id or a folder (default: %(default)s)",
    )
    made.add_argument("--timing", action="store_true", help="time every token, and sum up")
    made.add_argument("--seed", type=int, help="the same seed gives the same text")
    made.add_argument("--weights", choices=WEIGHT_NAMES, default=settings.weights, help="how weights are kept")
    made.add_argument(
        "--draft", default=settings.draft, metavar="M", help="a small model of the same vocabulary that guesses ahead"
    )
    made.add_argument("--json", action="store_true", help="print one JSON object on the last line instead of the text")
    return made


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
