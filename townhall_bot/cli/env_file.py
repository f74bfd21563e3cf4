"""Changing one line of ``.env`` and leaving every other as it is."""

from __future__ import annotations

import re
from pathlib import Path

from townhall_bot.files import write_atomically


def set_secret(path: Path, name: str, value: str) -> None:
    """Set ``name`` in an env file that only its owner may read afterwards. Either all of it is written or nothing.

    Raises ValueError where the value cannot stand in one line, and OSError.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", value) or any(mark in value for mark in "'\"\\#$`"):
        raise ValueError(f"{name} has characters that no token has")
    path = path.resolve()  # a link stays a link
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    mine = re.compile(rf"\s*(export\s+)?{re.escape(name)}\s*=")
    kept = [line for line in lines if not mine.match(line)]
    place = next((number for number, line in enumerate(lines) if mine.match(line)), len(kept))
    kept.insert(place, f"{name}={value}")
    with write_atomically(path) as file:
        file.write(("\n".join(kept) + "\n").encode())
