"""A tokeniser from ``tokenizer.json``, the one file that transformers 5 saves; where it is, it says everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.gpt2.checkpoint.config_file import read_json_object
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.tokenizer.added_tokens import AddedToken
from plugins.gpt2.checkpoint.tokenizer.tokenizer_settings import added_token

TOKENIZER_NAME = "tokenizer.json"

_LIMIT = 50_000_000
"""Longest file in bytes; GPT-2's has 1.4 million."""

_MUST_BE: dict[str, tuple[object, ...]] = {
    "ignore_merges": (None, False),
    "byte_fallback": (None, False),
    "dropout": (None, 0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "fuse_unk": (None, False),
}
"""Switches of the model that change what a text is cut into, with the values that change nothing."""


@dataclass(frozen=True, slots=True)
class TokenizerJson:
    """What the file says.

    ``begins`` and ``closes`` are ids that go around every text, ``unknown`` is that of a byte without a token.
    """

    vocab: Mapping[str, Any]
    merges: list[tuple[str, str]]
    added: tuple[AddedToken, ...]
    begins: tuple[int, ...]
    closes: tuple[int, ...]
    prefix_space: bool
    unknown: int | None


def read_tokenizer_json(path: Path) -> TokenizerJson:
    """Read the file. Raises :class:`CheckpointError` where it cuts or merges text in another way than GPT-2."""
    content = read_json_object(path, limit=_LIMIT)
    model = content.get("model")
    if not isinstance(model, dict):
        raise CheckpointError(f"{path}: there is no model in it. Copy or download it again.")
    _check(path, model.get("type", "BPE") == "BPE", f"model.type is {model.get('type')!r}, supported is 'BPE'")
    for key, supported in _MUST_BE.items():
        _check(path, model.get(key) in supported, f"model.{key} is {model.get(key)!r}, supported is {supported[1]!r}")
    normalizer, found, decoder = (_alone(content.get(key)) for key in ("normalizer", "pre_tokenizer", "decoder"))
    _check(path, normalizer is None, f"it has a normalizer ({_kind(normalizer)}), supported is none")
    split = found if isinstance(found, dict) else {}
    usual = split.get("type") == "ByteLevel" and split.get("use_regex", True)
    _check(path, usual, f"its pre_tokenizer ({_kind(found)}) is not ByteLevel with GPT-2's pattern")
    _check(path, _kind(decoder) in ("none", "ByteLevel"), f"its decoder is {_kind(decoder)}, supported is ByteLevel")
    vocab, merges = model.get("vocab"), model.get("merges")
    if not isinstance(vocab, dict) or not isinstance(merges, list):
        raise CheckpointError(f"{path}: model.vocab or model.merges is missing. Copy or download it again.")
    begins, closes = _around(path, content.get("post_processor"))
    return TokenizerJson(
        vocab=vocab,
        merges=[_pair(path, merge) for merge in merges],
        added=_added(path, content),
        begins=begins,
        closes=closes,
        prefix_space=split.get("add_prefix_space") is True,
        unknown=vocab.get(model.get("unk_token")) if isinstance(model.get("unk_token"), str) else None,
    )


def _check(path: Path, fine: object, complaint: str) -> None:
    if not fine:
        raise CheckpointError(f"{path}: {complaint}. Choose a checkpoint with GPT-2's byte-level BPE.")


def _alone(part: object) -> object:
    """Return the one part of a sequence of one, None for an empty sequence, and any other part as it is."""
    inner = _inner(part)
    while inner is not None and len(inner) < 2:
        part = inner[0] if inner else None
        inner = _inner(part)
    return part


def _inner(part: object) -> list[Any] | None:
    if not isinstance(part, Mapping) or part.get("type") != "Sequence":
        return None
    found = next((part[key] for key in ("normalizers", "pretokenizers", "decoders") if key in part), None)
    return found if isinstance(found, list) else None


def _kind(part: object) -> str:
    """Return what a part is called; a sequence is called by the names of its parts."""
    if not isinstance(part, Mapping):
        return "none" if part is None else "not an object"
    inner = _inner(part) or [part]
    return " and ".join(str(each.get("type")) if isinstance(each, Mapping) else "?" for each in inner)[:100]


def _added(path: Path, content: Mapping[str, Any]) -> tuple[AddedToken, ...]:
    tokens = content.get("added_tokens") or []
    if not isinstance(tokens, list):
        raise CheckpointError(f"{path}: added_tokens is not a list of tokens. Copy or download it again.")
    return tuple(added_token(token, path) for token in tokens)


def _pair(path: Path, merge: object) -> tuple[str, str]:
    """Return one merge; older files have "a b", newer ones ["a", "b"]."""
    pair = merge.split(" ") if isinstance(merge, str) else merge
    if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) and part for part in pair):
        return pair[0], pair[1]
    raise CheckpointError(f"{path}: {merge!r} is not a pair of tokens. Copy or download it again.")


def _around(path: Path, processor: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ids that a post-processor puts before and after a single text."""
    kind = _kind(processor)
    if processor is None or kind == "ByteLevel":  # the latter only moves offsets
        return (), ()
    try:
        if kind == "TemplateProcessing":
            return _template(processor)
        if kind in ("BertProcessing", "RobertaProcessing"):
            return (int(processor["cls"][1]),), (int(processor["sep"][1]),)
        if kind == "Sequence":
            begins, closes = (), ()  # type: tuple[int, ...], tuple[int, ...]
            for each in processor["processors"]:
                before, after = _around(path, each)
                begins, closes = (*before, *begins), (*closes, *after)
            return begins, closes
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its post_processor is not complete: {error}. Copy it again.") from error
    raise CheckpointError(
        f"{path}: its post_processor is {kind}, supported are ByteLevel and TemplateProcessing. "
        "Choose a checkpoint with GPT-2's byte-level BPE."
    )


def _template(processor: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    before: list[int] = []
    after: list[int] = []
    ids, texts = before, 0
    for part in processor["single"]:
        if "Sequence" in part:
            ids, texts = after, texts + 1
        else:
            ids += (int(number) for number in processor["special_tokens"][part["SpecialToken"]["id"]]["ids"])
    if texts != 1:
        raise ValueError(f"its template has {texts} texts instead of one")
    return tuple(before), tuple(after)
