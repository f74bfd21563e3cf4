"""The corpus of townhall-mini: its documents, its vocabulary, its tokens. Needs ``tokenizers``; see ``train_mini``."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.tokenizer.bpe import END_OF_TEXT, BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import MERGES_NAME, VOCAB_NAME

Tokens = npt.NDArray[np.uint16]
HELD_OUT = 40
"""Every so many-th document is kept from training."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Tokens to train on and tokens to measure with, documents separated by the end of text."""

    train: Tokens
    held_out: Tokens
    held_out_bytes: int
    """Bytes of the held-out texts, for bits a byte: tokens of different vocabularies cannot be compared, bytes can."""


def read_documents(folder: Path, *, limit: int | None = None, seed: int = 7) -> list[str]:
    """Return the texts below ``folder`` in a shuffled order that depends on ``seed`` alone; at most ``limit``.

    Every file is a document but those named SOURCE. Raises ``ValueError`` where there are too few to hold one out.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("SOURCE"))
    random.Random(seed).shuffle(paths)
    texts = [path.read_text(encoding="utf-8", errors="ignore") for path in paths[:limit]]
    if len(texts) < 2:
        raise ValueError(f"{folder}: {len(texts)} documents; at least two are needed. Point --corpus at text files.")
    return texts


def train_vocabulary(texts: Sequence[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return token → id (merge ranks, the end of text last) and the merges of a byte-level BPE of ``size`` entries."""
    tokenizers: Any = importlib.import_module("tokenizers")
    pre_tokenizers: Any = importlib.import_module("tokenizers.pre_tokenizers")
    trainers: Any = importlib.import_module("tokenizers.trainers")
    model: Any = importlib.import_module("tokenizers.models").BPE()
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)  # GPT-2's pattern
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1, initial_alphabet=sorted(BYTE_ALPHABET), special_tokens=[], show_progress=False
    )
    tokenizer.train_from_iterator(iter(texts), trainer)
    learnt: list[Any] = json.loads(tokenizer.to_str())["model"]["merges"]
    merges = [(left, right) for left, right in (pair.split(" ") if isinstance(pair, str) else pair for pair in learnt)]
    tokens = [*BYTE_ALPHABET, *dict.fromkeys(left + right for left, right in merges), END_OF_TEXT]
    return {token: number for number, token in enumerate(tokens)}, merges


def write_vocabulary(folder: Path, vocab: dict[str, int], merges: Sequence[tuple[str, str]]) -> None:
    """Write ``vocab.json`` and ``merges.txt`` as Hugging Face does."""
    (folder / VOCAB_NAME).write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges), ""]
    (folder / MERGES_NAME).write_text("\n".join(lines), encoding="utf-8")


def read_vocabulary(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return what :func:`write_vocabulary` wrote; a draft must speak of the same tokens as its model."""
    vocab: dict[str, int] = json.loads((folder / VOCAB_NAME).read_text(encoding="utf-8"))
    lines = (folder / MERGES_NAME).read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(" ") for line in lines if line and not line.startswith("#version"))
    return vocab, [(left, right) for left, _, right in pairs]


def tokenise(texts: Sequence[str], tokenizer: BPETokenizer) -> Corpus:
    """Cut the documents into tokens, with the tokeniser that will serve the model. At most 65,536 ids."""
    train: list[int] = []
    held_out: list[int] = []
    held_out_bytes = 0
    end = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    for number, text in enumerate(texts):
        tokens = tokenizer.encode(text) + end
        if number % HELD_OUT == 0:
            held_out += tokens
            held_out_bytes += len(text.encode())
        else:
            train += tokens
    return Corpus(np.array(train, dtype=np.uint16), np.array(held_out, dtype=np.uint16), held_out_bytes)
