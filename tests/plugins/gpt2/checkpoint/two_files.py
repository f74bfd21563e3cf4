"""A small vocabulary as OpenAI wrote it, and what people put beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools.random_checkpoint import small_vocabulary

VOCAB, MERGES = small_vocabulary(300)
A, B = VOCAB["a"], VOCAB["b"]


def save(folder: Path, vocab: dict[str, Any], merges: list[tuple[str, str]]) -> Path:
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    return folder


def say(folder: Path, name: str, **content: Any) -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder
