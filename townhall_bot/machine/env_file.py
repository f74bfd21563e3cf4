"""``.env``, whatever wrote it: reading its text, and changing one line while every other stays as it is."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from townhall_bot.machine.files import write_atomically


def encoding_of(path: str | Path) -> str:
    """Return what a file is written in: Notepad puts a mark before UTF-8, PowerShell's ``>`` writes UTF-16.

    Without a mark it is UTF-8, except where every second byte is NUL. A missing file is UTF-8; raises OSError.
    """
    if not Path(path).is_file():
        return "utf-8"
    with Path(path).open("rb") as file:
        begin = file.read(4)
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if begin[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if begin[:1] == b"\0" else "utf-8-sig"


def values_in(path: str | Path) -> Mapping[str, str | None]:
    """Return what a file sets, by name. Raises OSError and UnicodeDecodeError."""
    return dotenv_values(path, encoding=encoding_of(path))


def set_secret(path: Path, name: str, value: str) -> None:
    """Set ``name`` in an env file that only its owner may read afterwards. Either all of it is written or nothing.

    It is UTF-8 then, without a mark: what else reads it (systemd, Docker) knows nothing else. Lines end as they did.
    Raises ValueError where the value cannot stand in one line, UnicodeDecodeError among them, and OSError.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", value) or any(mark in value for mark in "'\"\\#$`"):
        raise ValueError(f"{name} has characters that no token has")
    path = path.resolve()  # a link stays a link
    text = path.read_bytes().decode(encoding_of(path)) if path.exists() else ""
    end = "\r\n" if "\r\n" in text else "\n"
    lines = re.split(r"\r\n|\n|\r", text)
    if not lines[-1]:
        lines.pop()
    mine = re.compile(rf"\s*(export\s+)?{re.escape(name)}\s*=")
    kept = [line for line in lines if not mine.match(line)]
    place = next((number for number, line in enumerate(lines) if mine.match(line)), len(kept))
    kept.insert(place, f"{name}={value}")
    with write_atomically(path) as file:
        file.write((end.join(kept) + end).encode())
