"""Vocabulary and merges from ``tokenizer.json``, the one file that transformers 5 saves of a tokeniser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugins.gpt2.checkpoint.config_file import read_json_object
from plugins.gpt2.checkpoint.errors import CheckpointError

TOKENIZER_NAME = "tokenizer.json"

_LIMIT = 50_000_000
"""Longest file in bytes; GPT-2's has 1.4 million."""


def read_tokenizer_json(path: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return token → id, added tokens among them, and the merges.

    Raises :class:`CheckpointError` where it cuts or merges text in another way than GPT-2.
    """
    content = read_json_object(path, limit=_LIMIT)
    model = content.get("model")
    if not isinstance(model, dict):
        raise CheckpointError(f"{path}: there is no model in it. Copy or download it again.")
    _check(path, model.get("type", "BPE") == "BPE", f"model.type is {model.get('type')!r}, supported is 'BPE'")
    _check(path, not model.get("ignore_merges"), "model.ignore_merges is true, supported is false")
    _check(path, content.get("normalizer") is None, "it has a normalizer, supported is none")
    found = content.get("pre_tokenizer")
    split = found if isinstance(found, dict) else {}
    usual = split.get("type") == "ByteLevel" and split.get("use_regex", True)
    _check(path, usual, "its pre_tokenizer is not ByteLevel with GPT-2's pattern")
    _check(path, not split.get("add_prefix_space"), "add_prefix_space is true, supported is false")
    vocab, merges = model.get("vocab"), model.get("merges")
    if not isinstance(vocab, dict) or not isinstance(merges, list):
        raise CheckpointError(f"{path}: model.vocab or model.merges is missing. Copy or download it again.")
    return vocab | _added(path, content), [_pair(path, merge) for merge in merges]


def _check(path: Path, fine: object, complaint: str) -> None:
    if not fine:
        raise CheckpointError(f"{path}: {complaint}. Choose a checkpoint with GPT-2's byte-level BPE.")


def _added(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    tokens = content.get("added_tokens") or []
    if not isinstance(tokens, list) or not all(isinstance(token, dict) and "content" in token for token in tokens):
        raise CheckpointError(f"{path}: added_tokens is not a list of tokens. Copy or download it again.")
    return {str(token["content"]): token.get("id") for token in tokens}


def _pair(path: Path, merge: object) -> tuple[str, str]:
    """Return one merge; older files have "a b", newer ones ["a", "b"]."""
    pair = merge.split(" ") if isinstance(merge, str) else merge
    if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) and part for part in pair):
        return pair[0], pair[1]
    raise CheckpointError(f"{path}: {merge!r} is not a pair of tokens. Copy or download it again.")
