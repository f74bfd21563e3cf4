"""From a checkpoint's folder to its tokeniser, as transformers would load it.

Where ``tokenizer.json`` is, it says everything; without it ``vocab.json`` and ``merges.txt`` do, as older versions of
transformers and OpenAI wrote them. What stands beside them, :mod:`tokenizer_settings` reads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from plugins.gpt2.checkpoint.config_file import VOCAB_LIMIT, read_json_object
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.other_formats import file_is
from plugins.gpt2.checkpoint.tokenizer.added_tokens import AddedToken
from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET
from plugins.gpt2.checkpoint.tokenizer.tokenizer_json import TOKENIZER_NAME, read_tokenizer_json
from plugins.gpt2.checkpoint.tokenizer.tokenizer_settings import (
    GPT2_KIND,
    TOKENIZER_CONFIG_NAME,
    TokenizerSettings,
    read_tokenizer_settings,
)

VOCAB_NAME = "vocab.json"
MERGES_NAME = "merges.txt"

_OTHERS = {
    "vocab.txt": "a WordPiece vocabulary, as BERT has it",
    "spiece.model": "a SentencePiece model",
    "tokenizer.model": "a SentencePiece model",
    "sentencepiece.bpe.model": "a SentencePiece model",
}
"""Files of tokenisers that are not GPT-2's."""

log = logging.getLogger("townhall.gpt2.checkpoint")


def load_tokenizer(folder: Path, *, vocab_size: int | None = None, ends: Sequence[int] = ()) -> BPETokenizer:
    """Build the tokeniser of the checkpoint in ``folder``.

    ``vocab_size`` is the model's: ids of the vocabulary must lie below it, added tokens beyond it are passed over.
    ``ends`` are the ids that end a text. Raises :class:`CheckpointError` naming the file that is at fault.
    """
    settings, limit = read_tokenizer_settings(folder), VOCAB_LIMIT if vocab_size is None else vocab_size
    if (folder / TOKENIZER_NAME).exists():
        return _from_json(folder / TOKENIZER_NAME, settings, vocab_size, limit, ends)
    check_kind(folder)
    vocab = check_vocab(read_json_object(folder / VOCAB_NAME), folder / VOCAB_NAME, vocab_size)
    if lacking := [byte for letter, byte in BYTE_ALPHABET.items() if letter not in vocab]:
        raise CheckpointError(
            f"{folder / VOCAB_NAME}: {len(lacking)} of the 256 bytes have no token (0x{lacking[0]:02x}, say), so not "
            "every text can be read. Only GPT-2's byte-level vocabularies are supported: choose another checkpoint."
        )
    merges = check_merges(read_merges(folder / MERGES_NAME), vocab, folder / MERGES_NAME)
    added = _added(settings.added, settings, vocab, folder / TOKENIZER_CONFIG_NAME, limit)
    by_name = vocab | {token.content: token.id for token in added}
    return BPETokenizer(
        vocab,
        merges,
        added=added,
        ends=ends,
        begins=_role(folder, settings, "bos_token", by_name) if settings.adds_bos else (),
        closes=_role(folder, settings, "eos_token", by_name) if settings.adds_eos else (),
        prefix_space=settings.prefix_space,
        joins_turns=settings.joins_turns,
    )


def _from_json(
    path: Path, settings: TokenizerSettings, vocab_size: int | None, limit: int, ends: Sequence[int]
) -> BPETokenizer:
    found = read_tokenizer_json(path)
    vocab = check_vocab(found.vocab, path, vocab_size)
    merges = check_merges(found.merges, vocab, path)
    if lacking := len(BYTE_ALPHABET.keys() - vocab.keys()):
        log.info("%s: %d of the 256 bytes have no token and are left out of prompts", path, lacking)
    for number in (*found.begins, *found.closes):
        if not 0 <= number < limit:
            raise CheckpointError(
                f"{path}: its template puts id {number} around every text, but config.json says vocab_size {limit}. "
                "These files do not belong together: copy both from the same checkpoint."
            )
    known = {token.content for token in found.added}
    added = (*found.added, *(token for token in settings.added if token.content not in known))
    return BPETokenizer(
        vocab,
        merges,
        added=_added(added, settings, vocab, path, limit),
        ends=ends,
        begins=found.begins,
        closes=found.closes,
        prefix_space=settings.prefix_space if settings.gpt2s else found.prefix_space,
        unknown=None if settings.gpt2s else found.unknown,
        joins_turns=settings.joins_turns,
    )


def check_kind(folder: Path) -> None:
    """Refuse a tokeniser without ``tokenizer.json`` by its name where the two other files cannot be it.

    Raises :class:`CheckpointError`.
    """
    settings = read_tokenizer_settings(folder)
    if settings.kind not in (None, GPT2_KIND, "PreTrainedTokenizer", "TokenizersBackend"):
        raise CheckpointError(
            f"{folder}: its tokeniser is a {settings.kind} ({TOKENIZER_CONFIG_NAME} or config.json says so), and there "
            f"is no {TOKENIZER_NAME}. Only GPT-2's byte-level BPE is supported: choose another checkpoint."
        )
    for name, what in _OTHERS.items():
        if not (folder / VOCAB_NAME).exists() and (folder / name).exists():
            raise CheckpointError(
                f"{folder / name}: {what}. Only GPT-2's byte-level BPE is supported ({TOKENIZER_NAME}, or {VOCAB_NAME} "
                f"and {MERGES_NAME}): choose another checkpoint."
            )


def check_vocab(raw: Mapping[str, Any], path: Path, vocab_size: int | None) -> dict[str, int]:
    """Return ``raw`` as token → id, each id once and below ``vocab_size``. Raises :class:`CheckpointError`."""
    ids = list(raw.values())
    if not ids or not all(type(number) is int and 0 <= number < VOCAB_LIMIT for number in ids):
        raise CheckpointError(f"{path}: each token needs an id, a whole number from 0. Copy the file again.")
    if len(set(ids)) != len(ids):
        raise CheckpointError(f"{path}: two tokens share an id. Copy the file again.")
    _check_text(raw, path)
    if vocab_size is not None and (highest := max(ids)) >= vocab_size:
        raise CheckpointError(
            f"{path}: the highest id is {highest}, but config.json says vocab_size {vocab_size}. "
            "These files do not belong together: copy both from the same checkpoint."
        )
    return dict(raw)


def check_merges(merges: list[tuple[str, str]], vocab: Mapping[str, int], path: Path) -> list[tuple[str, str]]:
    """Return ``merges``, all of whose tokens ``vocab`` has. Raises :class:`CheckpointError`."""
    for left, right in merges:
        for token in (left, right, left + right):
            if token not in vocab:
                raise CheckpointError(
                    f"{path}: the merge {left!r} {right!r} needs the token {token!r}, which the vocabulary does not "
                    "have. Copy vocabulary and merges from the same checkpoint."
                )
    return merges


def read_merges(path: Path) -> list[tuple[str, str]]:
    """Read ``merges.txt``: a version line, then one pair a line. Raises :class:`CheckpointError`."""
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: not found. A checkpoint's folder needs {path.name}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read as UTF-8 text: {error}. Copy or download it again.") from error
    if instead := file_is(content):
        raise CheckpointError(f"{path}: {instead}")
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


def _check_text(tokens: Iterable[str], path: Path) -> None:
    try:
        "\n".join(tokens).encode()
    except UnicodeEncodeError as error:
        token = error.object[: error.end].rpartition("\n")[2]
        raise CheckpointError(
            f"{path}: the token {token!a} holds half a character, which is no text. Copy the file again."
        ) from error


def _added(
    tokens: Iterable[AddedToken], settings: TokenizerSettings, vocab: Mapping[str, int], path: Path, limit: int
) -> tuple[AddedToken, ...]:
    """Return the added tokens that the model has, with the vocabulary's own special ones."""
    found: dict[str, AddedToken] = {}
    names = {number: token for token, number in vocab.items()}
    for token in tokens:
        _check_text([token.content], path)
        number = vocab.get(token.content, token.id)
        if number >= limit:
            log.info(
                "%s: the added token %r has id %d, beyond the model's %d: passed over",
                path,
                token.content,
                number,
                limit,
            )
            continue
        if names.setdefault(number, token.content) != token.content:
            raise CheckpointError(
                f"{path}: the tokens {names[number]!r} and {token.content!r} share the id {number}. Copy it again."
            )
        special = token.special or token.content in settings.special
        found[token.content] = replace(token, id=number, special=special)
    for content in settings.special - found.keys():
        if content in vocab:
            found[content] = AddedToken(content, vocab[content], special=True, normalized=False)
    return tuple(found.values())


def _role(folder: Path, settings: TokenizerSettings, role: str, ids: Mapping[str, int]) -> tuple[int, ...]:
    """Return the id of the token in a role that goes around every text."""
    token = settings.roles.get(role)
    if token is None:
        return ()
    if token not in ids:
        raise CheckpointError(
            f"{folder / TOKENIZER_CONFIG_NAME}: every text gets the {role} {token!r}, which has no id in the "
            "vocabulary. Copy all files of the tokeniser from the same checkpoint."
        )
    return (ids[token],)
