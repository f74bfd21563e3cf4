"""Models to measure with: the official shapes with random weights, which are as fast and as large as real ones."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, to_json
from plugins.gpt2.checkpoint.files import WEIGHTS_NAME
from plugins.gpt2.checkpoint.tokenizer.bpe import END_OF_TEXT
from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import MERGES_NAME, VOCAB_NAME
from plugins.gpt2.model.constants import GPT2Config, tensors

DEVIATION = 0.02
"""Standard deviation of GPT-2's weights at the start of its training."""


def random_folder(place: Path, name: str, config: GPT2Config, seed: int = 1) -> Path:
    """Return ``place/name``, a checkpoint of ``config`` with random fp32 weights; written where it is not there yet.

    One tensor is in memory at a time, and a folder that is half written never gets its name.
    """
    folder = place / name
    if folder.is_dir():
        return folder
    partial = place / f"{name}.part"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / CONFIG_NAME).write_text(json.dumps(to_json(config), indent=1))
    vocab, merges = vocabulary(config.vocab_size)
    (partial / VOCAB_NAME).write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges), ""]
    (partial / MERGES_NAME).write_text("\n".join(lines), encoding="utf-8")
    _write_weights(partial / WEIGHTS_NAME, config, seed)
    partial.replace(folder)
    return folder


def vocabulary(size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return a byte-level vocabulary of ``size`` ids and its merges: bytes, pairs of bytes, the end of text.

    Raises ValueError outside 257…65793.
    """
    pairs = list(islice(product(BYTE_ALPHABET, BYTE_ALPHABET), max(0, size - 257)))
    tokens = [*BYTE_ALPHABET, *(left + right for left, right in pairs), END_OF_TEXT]
    if len(tokens) != size:
        raise ValueError(f"vocab_size {size}: a vocabulary of bytes and their pairs has 257 to 65793 entries")
    return {token: number for number, token in enumerate(tokens)}, pairs


def _random_tensors(config: GPT2Config, seed: int) -> Iterator[npt.NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    for tensor in tensors(config):
        if tensor.kind in ("norm", "bias"):
            yield np.full(tensor.shape, 1.0 if tensor.part == "weight" else 0.0, np.float32)
        else:
            values = random.standard_normal(tensor.shape, dtype=np.float32)
            values *= DEVIATION
            yield values


def _write_weights(path: Path, config: GPT2Config, seed: int) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for tensor in tensors(config):
        size = 4 * math.prod(tensor.shape)
        header[tensor.name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for values in _random_tensors(config, seed):
            file.write(values.data)
