"""The corpus that townhall-mini was trained on, as it was read then: which documents were held out."""

from __future__ import annotations

import random
from pathlib import Path

HELD_OUT = 40
"""Every so many-th document was kept from training."""


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
