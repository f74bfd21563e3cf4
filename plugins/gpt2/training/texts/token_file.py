"""Texts as tokens in two files on the disk, one to train on and one to measure with; from there they are mapped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.training.texts.folder import NoTexts
from plugins.gpt2.training.texts.pieces import Piece
from townhall_bot.machine.files import write_atomically

Tokens = npt.NDArray[np.unsignedinteger[Any]]

TRAIN, HELD_OUT, COUNTS = "train.tokens", "held_out.tokens", "texts.json"
LARGE = 1_000_000
"""Bytes of text from which a twentieth is held out; of less, a tenth."""
LEAST_TOKENS = 1_000
LEAST_HELD_OUT = 65
"""Tokens: one stretch of the shortest context that is trained with, and the token after it."""
GOOD_TOKENS = 100_000
"""What a voice that can be told from others takes, about."""
CHARACTERS = 4
"""Of a token, about."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was read. ``held_out_bytes`` are those of the texts that are measured with."""

    documents: int
    tokens: int
    held_out_tokens: int
    held_out_bytes: int
    item_bytes: int

    @property
    def share(self) -> float:
        """The share of all tokens that is held out."""
        return self.held_out_tokens / max(1, self.tokens)


def write_tokens(
    pieces: Iterable[Piece],
    tokenizer: BPETokenizer,
    folder: Path,
    *,
    vocab_size: int,
    total_bytes: int,
    on_piece: Callable[[Piece], None] = lambda piece: None,
) -> Counts:
    """Cut texts into tokens in ``folder``; return what there is.

    Which pieces are held out depends on the texts alone. Documents end with the end of text, and so does a piece where
    its neighbour went into the other file. Raises :class:`NoTexts` where there is too little, and OSError.
    """
    dtype: np.dtype[Any] = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)
    share = 0.05 if total_bytes >= LARGE else 0.1
    documents = held = seen = 0
    counted = {TRAIN: 0, HELD_OUT: 0}
    held_bytes, new, before = 0, True, ""
    with (folder / TRAIN).open("wb") as train, (folder / HELD_OUT).open("wb") as held_out:
        files: dict[str, BinaryIO] = {TRAIN: train, HELD_OUT: held_out}
        for piece in pieces:
            size = len(piece.text)
            place = HELD_OUT if seen and held + size / 2 <= share * (seen + size) else TRAIN
            seen, held = seen + size, held + (size if place == HELD_OUT else 0)
            held_bytes += len(piece.text.encode()) if place == HELD_OUT else 0
            tokens = [*(tokenizer.begins if new else ()), *tokenizer.encode_plain(piece.text)]
            if not new and before != place:
                counted[before] += _end(files[before], tokenizer, dtype)
            np.asarray(tokens, dtype).tofile(files[place])
            counted[place] += len(tokens) + (_end(files[place], tokenizer, dtype) if piece.ends else 0)
            documents, new, before = documents + piece.ends, piece.ends, place
            on_piece(piece)
    total = sum(counted.values())
    if total < LEAST_TOKENS or counted[HELD_OUT] < LEAST_HELD_OUT:
        raise NoTexts(
            f"there is too little text: {total:,} tokens. At least {LEAST_TOKENS:,} are needed, about "
            f"{LEAST_TOKENS * CHARACTERS:,} characters; for a voice that can be told, give {GOOD_TOKENS:,} or more."
        )
    counts = Counts(documents, total, counted[HELD_OUT], held_bytes, dtype.itemsize)
    with write_atomically(folder / COUNTS) as file:  # comes last: where it is there, the tokens are whole
        file.write(json.dumps(asdict(counts)).encode())
    return counts


def _end(file: BinaryIO, tokenizer: BPETokenizer, dtype: np.dtype[Any]) -> int:
    if tokenizer.end_of_text is None:
        return 0
    np.asarray([tokenizer.end_of_text], dtype).tofile(file)
    return 1


def read_counts(folder: Path) -> Counts | None:
    """Return what :func:`write_tokens` wrote, None where it did not come to its end."""
    try:
        return Counts(**json.loads((folder / COUNTS).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def open_tokens(folder: Path, counts: Counts) -> tuple[Tokens, Tokens]:
    """Map both files: tokens to train on, and held-out ones. Raises OSError and ValueError."""
    dtype = np.uint16 if counts.item_bytes == 2 else np.uint32
    train, held_out = (np.memmap(folder / name, dtype=dtype, mode="r") for name in (TRAIN, HELD_OUT))
    return train, held_out
