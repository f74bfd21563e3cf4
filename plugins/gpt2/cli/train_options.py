"""The options of ``townhall models train``."""

from __future__ import annotations

import argparse
from pathlib import Path

from plugins.gpt2.model.constants import EMBEDDED_MODEL
from plugins.gpt2.training.precision import PRECISIONS
from plugins.gpt2.training.vocabulary import LARGEST, SMALLEST
from townhall_bot.cli.bounded import Decimal, Whole

MINUTES = Decimal(0, 100_000, above=True)

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
    _number(parser, "--minutes", MINUTES, "how long to train", "20")
    parser.add_argument(
        "--method",
        choices=("full", "lora"),
        help="train all weights, or a few matrices beside them that take less memory (default: by the model's size)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="what products are made of (default: bf16 where the processor multiplies it faster, fp32 with --new)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a training that was stopped or killed")
    parser.add_argument(
        "--replace-names",
        action="store_true",
        help="replace mentions, mail addresses, and in Discord exports the names of who wrote or is mentioned",
    )
    _number(parser, "--batch", Whole(1, 256), "stretches of text a step", "by speed")
    _number(parser, "--learning-rate", Decimal(0, 1, above=True), "the highest", "by the model's size")
    _number(parser, "--seed", Whole(0, 2**31 - 1), "what is drawn in training", 1)
    _number(parser, "--threads", Whole(1, 512), "CPU threads", "TOWNHALL_GPT2_THREADS, or all")
    new = parser.add_argument_group("a new model, from nothing")
    new.add_argument("--new", action="store_true", help="begin with random weights and a vocabulary from the texts")
    _number(new, "--layers", Whole(1, 96), "blocks, one after another", 6)
    _number(new, "--heads", Whole(1, 96), "heads of attention in a block", 5)
    _number(new, "--width", Whole(8, 8192), "numbers a token, a multiple of the heads", 320)
    _number(new, "--context", Whole(64, 4096), "tokens that it sees at a time", 512)
    _number(new, "--vocabulary", Whole(SMALLEST, LARGEST), "entries", 8192)
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


def _number(group: argparse._ActionsContainer, name: str, kind: Whole | Decimal, says: str, default: int | str) -> None:
    """Add a number, with its bounds in the help. A ``default`` in words is found out later, from None."""
    group.add_argument(
        name,
        type=kind,
        default=default if isinstance(default, int) else None,
        metavar="N",
        help=f"{says}, {kind} (default: {default})",
    )
