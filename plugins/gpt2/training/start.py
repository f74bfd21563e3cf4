"""What a training begins with: a checkpoint, or random weights of a shape with a vocabulary of their own."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, GENERATION_NAME, read_config, to_json
from plugins.gpt2.checkpoint.files import MERGES_NAME, SETTINGS_NAMES, TOKENIZER_NAME, VOCAB_NAME
from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer
from plugins.gpt2.model.constants import CONTRACT, PROJECTION, GPT2Config, tensors
from townhall_bot.machine.files import write_atomically

Weights = dict[str, npt.NDArray[np.float32]]
FOLDER = "start"
VOCABULARY_FILES = (VOCAB_NAME, MERGES_NAME, TOKENIZER_NAME, *SETTINGS_NAMES)
COPIED = (*VOCABULARY_FILES, CONFIG_NAME, GENERATION_NAME)


@dataclass(frozen=True, slots=True)
class Start:
    """Everything of the model but its weights, as it lies in ``folder``."""

    folder: Path
    config: GPT2Config
    tokenizer: BPETokenizer


def copy_start(source: Path, folder: Path, names: tuple[str, ...] = COPIED) -> None:
    """Copy a checkpoint's small files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def write_config(folder: Path, config: GPT2Config) -> None:
    """Write the ``config.json`` of a new model. Raises OSError."""
    with write_atomically(folder / CONFIG_NAME) as file:
        file.write(json.dumps(to_json(config), indent=1).encode())


def read_start(folder: Path) -> Start:
    """Open what :func:`copy_start` or :func:`write_config` wrote. Raises CheckpointError."""
    config = read_config(folder / CONFIG_NAME)
    return Start(folder, config, load_tokenizer(folder, vocab_size=config.vocab_size, ends=config.ends))


@contextmanager
def weights_of(source: str, config: GPT2Config, seed: int, *, allow_pickle: bool = False) -> Iterator[Weights | Any]:
    """Yield the weights to begin with: those of ``source``, or random ones where it is "". Raises CheckpointError."""
    if not source:
        yield random_weights(config, seed)
        return
    with open_checkpoint(source, allow_pickle=allow_pickle) as checkpoint:
        yield {name: ref.numpy() for name, ref in checkpoint.tensors.items()}


def random_weights(config: GPT2Config, seed: int) -> Weights:
    """Return GPT-2's initialisation: N(0, 0.02), what is added to the residual stream smaller by sqrt(2 n_layer)."""
    rng = np.random.default_rng(seed)
    weights: Weights = {}
    for tensor in tensors(config):
        if tensor.part == "bias":
            weights[tensor.name] = np.zeros(tensor.shape, np.float32)
        elif tensor.kind == "norm":
            weights[tensor.name] = np.ones(tensor.shape, np.float32)
        else:
            values = rng.standard_normal(tensor.shape, np.float32) * np.float32(0.02)
            narrow = tensor.module.endswith((PROJECTION, CONTRACT))
            weights[tensor.name] = values / np.float32(math.sqrt(2 * config.n_layer)) if narrow else values
    return weights
