"""A checkpoint's byte-level BPE, run by tiktoken.

tiktoken merges the pair whose *joined bytes* have the lowest rank. So the ranks are: the 256 bytes, then the merges
in their order. GPT-2's ids are these ranks; a checkpoint whose ids are numbered otherwise (special tokens first, say)
gets a table from rank to id. What user text spells out as a special token is read as plain text, always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tiktoken

from plugins.gpt2.checkpoint.config_file import read_json_object
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.tokenizer_json import TOKENIZER_NAME, read_tokenizer_json

VOCAB_NAME = "vocab.json"
MERGES_NAME = "merges.txt"
END_OF_TEXT = "<|endoftext|>"

SPLIT_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
"""How GPT-2 cuts a text into words, as in tiktoken's ``tiktoken_ext/openai_public.py`` (same cuts as OpenAI's own
pattern, fewer steps)."""


def _byte_alphabet() -> dict[str, int]:
    """Return GPT-2's printable stand-in for each byte (``bytes_to_unicode`` in OpenAI's encoder.py), in id order."""
    printable = [byte for byte in range(256) if chr(byte).isprintable() and byte != 0x20]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTE_ALPHABET = _byte_alphabet()
_TO_LATIN1 = {ord(letter): byte for letter, byte in BYTE_ALPHABET.items()}


class BPETokenizer:
    """Text to ids and back, by the checkpoint's own vocabulary. Safe to use from several threads."""

    encoding: tiktoken.Encoding
    """tiktoken's encoding over ranks, which are the ids unless the checkpoint numbers its tokens otherwise."""
    end_of_text: int | None
    vocab_size: int
    """Ids that have a text. The model's own ``vocab_size`` may be larger where it was padded."""

    def __init__(
        self, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], *, end_of_text: int | None = None
    ) -> None:
        """Build from ``vocab.json``'s mapping and ``merges.txt``'s pairs.

        Raises :class:`CheckpointError` where they contradict each other or cannot be told to tiktoken.
        """
        ranks = _ranks(vocab, merges)
        id_of_rank = [vocab[letters] for letters in ranks]
        mergeable = {_to_bytes(letters): rank for rank, letters in enumerate(ranks)}
        special = sorted((token for token in vocab if token not in ranks), key=vocab.__getitem__)
        id_of_rank += [vocab[token] for token in special]
        texts = [*mergeable, *(token.encode("utf-8", "replace") for token in special)]
        ids = dict(zip(id_of_rank, texts, strict=True))
        self._texts = [ids.get(number, b"") for number in range(max(ids) + 1)]
        identical = id_of_rank == list(range(len(id_of_rank)))
        self._id_of_rank = None if identical else np.array(id_of_rank, dtype=np.int64)
        self.encoding = tiktoken.Encoding(
            "checkpoint",
            pat_str=SPLIT_PATTERN,
            mergeable_ranks=mergeable,
            special_tokens={token: len(mergeable) + n for n, token in enumerate(special)},
        )
        self.end_of_text = vocab.get(END_OF_TEXT) if end_of_text is None else end_of_text
        self.vocab_size = len(vocab)

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``; a special token in it is read as the characters it is made of."""
        ranks = self.encoding.encode_ordinary(text)
        return ranks if self._id_of_rank is None else [int(i) for i in self._id_of_rank[ranks]]

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of ``tokens``; the end may be half a character. An id without a text gives nothing."""
        texts = self._texts
        return b"".join(texts[token] if 0 <= token < len(texts) else b"" for token in tokens)


def load_tokenizer(folder: Path, *, vocab_size: int | None = None, end_of_text: int | None = None) -> BPETokenizer:
    """Build the tokeniser from ``vocab.json`` and ``merges.txt`` in ``folder``, or else from ``tokenizer.json``.

    ``vocab_size`` is the model's: ids must lie below it. Raises :class:`CheckpointError`.
    """
    path = folder / VOCAB_NAME
    if not path.exists() and (folder / TOKENIZER_NAME).exists():
        path = folder / TOKENIZER_NAME
        raw, merges = read_tokenizer_json(path)
    else:
        raw, merges = read_json_object(path), read_merges(folder / MERGES_NAME)
    vocab = check_vocab(raw, path, vocab_size)
    try:
        return BPETokenizer(vocab, merges, end_of_text=end_of_text)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def check_vocab(raw: Mapping[str, Any], path: Path, vocab_size: int | None) -> dict[str, int]:
    """Return ``raw`` as token → id, each id once and below ``vocab_size``. Raises :class:`CheckpointError`."""
    ids = list(raw.values())
    if not ids or not all(type(number) is int and number >= 0 for number in ids):
        raise CheckpointError(f"{path}: each token needs an id, a whole number from 0. Copy the file again.")
    if len(set(ids)) != len(ids):
        raise CheckpointError(f"{path}: two tokens share an id. Copy the file again.")
    if vocab_size is not None and (highest := max(ids)) >= vocab_size:
        raise CheckpointError(
            f"{path}: the highest id is {highest}, but config.json says vocab_size {vocab_size}. "
            "These files do not belong together: copy both from the same checkpoint."
        )
    return dict(raw)


def read_merges(path: Path) -> list[tuple[str, str]]:
    """Read ``merges.txt``: a version line, then one pair a line. Raises :class:`CheckpointError`."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: not found. A checkpoint's folder needs {path.name}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read as UTF-8 text: {error}. Copy or download it again.") from error
    first = 1 if lines[0].startswith("#version") else 0
    merges = []
    for number, line in enumerate(lines[first:], first + 1):
        if not line.strip():
            continue
        left, _, right = line.rstrip("\r").partition(" ")
        if not left or not right or " " in right:
            raise CheckpointError(f"{path}, line {number}: {line!r} is not a pair of tokens. Copy the file again.")
        merges.append((left, right))
    return merges


def _to_bytes(letters: str) -> bytes:
    return letters.translate(_TO_LATIN1).encode("latin-1")


def _ranks(vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> dict[str, None]:
    """Return the mergeable tokens in rank order: the bytes, then what each merge makes."""
    ranks: dict[str, None] = dict.fromkeys(BYTE_ALPHABET)
    if lacking := [byte for letter, byte in BYTE_ALPHABET.items() if letter not in vocab]:
        raise CheckpointError(
            f"{len(lacking)} of the 256 bytes have no token (0x{lacking[0]:02x}, say), so not every text can "
            "be read. Only GPT-2's byte-level vocabularies are supported."
        )
    for left, right in merges:
        token = left + right
        if left not in ranks or right not in ranks:
            raise CheckpointError(f"the merge {left!r} {right!r} uses a token that no earlier merge makes.")
        if token in ranks:
            raise CheckpointError(f"two merges make the token {token!r}; tiktoken cannot tell them apart.")
        if token not in vocab:
            raise CheckpointError(f"the merge {left!r} {right!r} makes {token!r}, which the vocabulary does not have.")
        ranks[token] = None
    return ranks
