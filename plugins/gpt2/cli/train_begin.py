"""The beginning of a training: the texts are looked at and cut into tokens, and all that it takes is told."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from plugins.gpt2.checkpoint.checkpoint import on_disk, open_checkpoint
from plugins.gpt2.checkpoint.config_file import read_config
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.files import CONFIG_NAME
from plugins.gpt2.checkpoint.model_names import locate
from plugins.gpt2.checkpoint.own_models import own_models
from plugins.gpt2.cli.download_bar import DownloadBar
from plugins.gpt2.model.constants import EMBEDDED_MODEL, GPT2Config
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.training import start, vocabulary
from plugins.gpt2.training.plan import Method, Plan, check_disk
from plugins.gpt2.training.session import Session
from plugins.gpt2.training.texts.folder import Found, learn_names, look, pieces
from plugins.gpt2.training.texts.names import Names
from plugins.gpt2.training.texts.pieces import Piece
from plugins.gpt2.training.texts.token_file import GOOD_TOKENS, Counts, write_tokens
from townhall_bot.cli.terminal import tell

DEFAULT_MINUTES = 20.0
SHOWN = 5
"""Files that were left out which are named."""
Check = Callable[[], None]


def begin(options: argparse.Namespace, settings: GPT2Settings, home: Path, folder: Path, check: Check) -> Session:
    """Read the texts and plan the training; ``check`` raises where somebody pressed Ctrl-C.

    Raises ``NoTexts``, ``DoesNotFit``, CheckpointError and OSError.
    """
    found = look(options.texts)
    source = "" if options.new else _lasting(options.source or EMBEDDED_MODEL)
    config = _shape(options) if options.new else _config_of(source, settings)
    check_disk(home, config, found.total_bytes, shutil.disk_usage(home).free)
    names = learn_names(found) if options.replace_names else None
    if options.new:
        _new_start(options, found, names, folder / start.FOLDER, config, check)
    else:
        start.copy_start(_folder_of(source, settings), folder / start.FOLDER)
    begun = start.read_start(folder / start.FOLDER)
    with _Reading(found, check) as bar:
        counts = write_tokens(
            pieces(found, names),
            begun.tokenizer,
            folder,
            vocab_size=begun.config.vocab_size,
            total_bytes=found.total_bytes,
            on_piece=bar,
        )
    _tell_texts(found, counts, names)
    plan = Plan(
        name=options.name,
        source=source,
        texts=options.texts.resolve().name,
        kinds=dict(Counter(kind for _, kind in found.files)),
        replaced_names=names is not None,
        method=options.method or "full",
        batch=0,
        context=0,
        minutes=options.minutes or DEFAULT_MINUTES,
        learning_rate=options.learning_rate or 0.0,
        seed=options.seed,
    )
    method: Method | None = "full" if options.new else options.method
    return Session.first(
        home,
        folder,
        plan,
        settings,
        method=method,
        batch=options.batch,
        threads=options.threads,
        precision=options.precision,
    )


def _lasting(source: str) -> str:
    """Return a model's name that is found from every folder: --resume may be typed in another one."""
    place = locate(source)
    return str(place.folder) if place.repo is None and place.name not in (EMBEDDED_MODEL, *own_models()) else source


def _config_of(source: str, settings: GPT2Settings) -> GPT2Config:
    """Return the shape of the model to begin with, downloading it where it is not here."""
    return read_config(_folder_of(source, settings) / CONFIG_NAME)


def _folder_of(source: str, settings: GPT2Settings) -> Path:
    allow = settings.allow_pickle
    if on_disk(source, allow_pickle=allow) is None:
        with DownloadBar(source) as bar:
            open_checkpoint(source, allow_pickle=allow, on_progress=bar).close()
    with open_checkpoint(source, allow_pickle=allow) as checkpoint:  # which checks it, too
        return checkpoint.folder


def _shape(options: argparse.Namespace) -> GPT2Config:
    """Return the shape of a new model; its vocabulary may turn out smaller."""
    size = options.vocabulary
    if options.vocabulary_of:
        size = read_config(_vocabulary_of(options.vocabulary_of) / CONFIG_NAME).vocab_size
    return GPT2Config(
        n_layer=options.layers,
        n_head=options.heads,
        n_embd=options.width,
        n_positions=options.context,
        vocab_size=size,
        n_inner=4 * options.width,
    )


def _vocabulary_of(model: str) -> Path:
    folder = on_disk(model)
    if folder is None:
        raise CheckpointError(f"{model} is not on this disk. Download it: townhall models download {model}")
    return folder


def _new_start(
    options: argparse.Namespace, found: Found, names: Names | None, folder: Path, config: GPT2Config, check: Check
) -> None:
    """Write the config and the vocabulary of a new model."""
    folder.mkdir(parents=True, exist_ok=True)
    if options.vocabulary_of:
        source = _vocabulary_of(options.vocabulary_of)
        start.copy_start(source, folder, start.VOCABULARY_FILES)
        end = read_config(source / CONFIG_NAME).end_of_text
        start.write_config(folder, replace(config, end_of_text=end))
        return
    tell("learning a vocabulary from the texts")
    with _Reading(found, check) as bar:
        merges = vocabulary.learn(_texts(found, names, bar), config.vocab_size)
    vocabulary.write_vocabulary(folder, merges)
    size = len(vocabulary.vocab_of(merges))
    start.write_config(folder, replace(config, vocab_size=size, end_of_text=size - 1))


def _texts(found: Found, names: Names | None, bar: _Reading) -> Iterator[str]:
    for piece in pieces(found, names):
        bar(piece)
        yield piece.text
    found.left_out[:] = dict.fromkeys(found.left_out)


class _Reading(AbstractContextManager["_Reading"]):
    """A bar over the texts' bytes."""

    def __init__(self, found: Found, check: Check) -> None:
        self._check = check
        self._bar: Any = tqdm(total=found.total_bytes, unit="B", unit_scale=True, desc="texts", file=sys.stderr)

    def __call__(self, piece: Piece) -> None:
        self._check()
        self._bar.update(len(piece.text.encode()))

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _tell_texts(found: Found, counts: Counts, names: Names | None) -> None:
    kinds = Counter(kind for _, kind in found.files)
    listed = ", ".join(f"{number} of {kind}" for kind, number in sorted(kinds.items()))
    tell(f"{len(found.files)} files read ({listed}), {len(found.left_out)} left out")
    for name, why in found.left_out[:SHOWN]:
        tell(f"  left out: {name}: {why}")
    if names is not None:
        tell(f"  the names of {len(names)} people are replaced")
    tell(
        f"{counts.documents:,} documents, {counts.tokens:,} tokens; {100 * counts.share:.1f} % of them are held out to "
        "measure with"
    )
    if counts.tokens < GOOD_TOKENS:
        tell(f"That is little: a voice that can be told from others takes {GOOD_TOKENS:,} tokens or more.")
