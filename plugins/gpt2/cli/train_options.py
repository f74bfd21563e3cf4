"""The options of ``townhall models train``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from plugins.gpt2.model.constants import EMBEDDED_MODEL
from plugins.gpt2.training.vocabulary import LARGEST, SMALLEST

EXAMPLES = """examples:
  townhall models train our-voice --texts exports --replace-names
  townhall models train our-voice --texts exports --from gpt2 --minutes 240
  townhall models train our-voice --resume
  townhall models train tiny --texts books --new --layers 4 --heads 4 --width 256
"""
DESCRIPTION = """Train a model on your own texts, on this machine; nothing leaves it.

Texts are .txt and .md files, .jsonl files whose lines have a "text", and channels that DiscordChatExporter exported as
.json. docs/training.md tells more."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", help="what the new model is called: letters, digits, '.', '_' and '-'")
    parser.add_argument("--texts", type=Path, metavar="FOLDER", help="the folder of texts, with its subfolders")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="MODEL",
        help=f"the model to begin with: an official size, a hub id, a folder (default: {EMBEDDED_MODEL})",
    )
    parser.add_argument("--minutes", type=_minutes, help="how long to train (default: 20)")
    parser.add_argument(
        "--method",
        choices=("full", "lora"),
        help="train all weights, or a few matrices beside them that take less memory (default: by the model's size)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a training that was stopped or killed")
    parser.add_argument(
        "--replace-names",
        action="store_true",
        help="replace mentions, mail addresses, and in Discord exports the names of who wrote or is mentioned",
    )
    parser.add_argument("--batch", type=_whole(1, 256), help="stretches of text a step (default: by speed)")
    parser.add_argument("--learning-rate", type=_rate, help="the highest (default: by the model's size)")
    parser.add_argument("--seed", type=_whole(0, 2**31 - 1), default=1, help="default: %(default)s")
    parser.add_argument("--threads", type=_whole(1, 512), help="CPU threads (default: TOWNHALL_GPT2_THREADS, or all)")
    new = parser.add_argument_group("a new model, from nothing")
    new.add_argument("--new", action="store_true", help="begin with random weights and a vocabulary from the texts")
    new.add_argument("--layers", type=_whole(1, 96), default=6, help="default: %(default)s")
    new.add_argument("--heads", type=_whole(1, 96), default=5, help="default: %(default)s")
    new.add_argument("--width", type=_whole(8, 8192), default=320, help="default: %(default)s")
    new.add_argument("--context", type=_whole(64, 4096), default=512, help="default: %(default)s")
    new.add_argument(
        "--vocabulary",
        type=_whole(SMALLEST, LARGEST),
        default=8192,
        help=f"entries, {SMALLEST} to {LARGEST} (default: %(default)s)",
    )
    new.add_argument("--vocabulary-of", metavar="MODEL", help="take a model's vocabulary instead: for a draft of it")


def complaint(options: argparse.Namespace) -> str | None:
    """Return what does not go together, None where all does."""
    if options.resume and (options.texts or options.source or options.new):
        return "--resume goes on with the texts and the model that the training began with; leave the other options out"
    if not options.resume and options.texts is None:
        return "--texts FOLDER names the folder of your texts; --resume goes on with a training"
    if options.new and options.source:
        return "--new begins from nothing, --from with a model; give one of them"
    if options.new and options.method == "lora":
        return "--method lora changes a model that is there; a new one is trained in full"
    if options.new and options.width % options.heads:
        return f"--width {options.width} is not a multiple of --heads {options.heads}"
    return None


def _minutes(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 < value <= 100_000):
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 < value <= 1):
        raise argparse.ArgumentTypeError(f"{text} is not a learning rate, which is above 0 and at most 1")
    return value


def _whole(low: int, high: int) -> type[int]:
    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low} and {high}")
        return value

    read.__name__ = "whole number"
    return read  # type: ignore[return-value]  # argparse takes any callable
