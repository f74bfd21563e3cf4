"""A folder of texts: which files are read, as what, and which are left out and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from plugins.gpt2.training.texts import discord_export, json_lines, plain
from plugins.gpt2.training.texts.names import Names
from plugins.gpt2.training.texts.pieces import LONGEST, NotText, Piece

PLAIN, LINES, EXPORT = "plain text", "JSON lines", "Discord export"
KINDS: dict[str, str] = {
    **dict.fromkeys((".txt", ".text", ".md", ".markdown"), PLAIN),
    **dict.fromkeys((".jsonl", ".ndjson"), LINES),
    ".json": EXPORT,
}
"""What a file is, by its ending; others are left out."""
NOT_TEXTS = frozenset({"SOURCE", "SOURCE.txt", "LICENSE", "LICENSE.txt"})
"""Files that say where texts are from."""
SHORTEST = 200
PIECES = 200
"""About how many pieces a small folder is cut into, so that some can be held out of a single file."""


class NoTexts(ValueError):
    """There is nothing to train on; the message says what was found and what to do."""


@dataclass(slots=True)
class Found:
    """What a folder holds. ``left_out`` is each file that is no text and why, by its name below the folder."""

    folder: Path
    files: list[tuple[Path, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    total_bytes: int = 0

    @property
    def longest(self) -> int:
        """Characters of a piece: fewer where there is little text."""
        return max(SHORTEST, min(LONGEST, self.total_bytes // PIECES))


def look(folder: Path) -> Found:
    """Find the files below ``folder`` and what each is. Raises :class:`NoTexts`."""
    if not folder.exists():
        raise NoTexts(f"there is no folder {folder}. --texts names the folder that your texts are in.")
    if not folder.is_dir():
        raise NoTexts(f"{folder} is a file. --texts names a folder; put the file into one.")
    found = Found(folder)
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in paths:
            _take(found, path)
    except OSError as error:
        raise NoTexts(f"{folder} cannot be read: {error.strerror or error}. Check its rights.") from error
    if not found.files:
        what = f"none of its {len(paths)} files is a text" if paths else "it is empty"
        raise NoTexts(
            f"there is nothing to train on in {folder.name}: {what}.{_reasons(found)} Texts are .txt and .md files, "
            '.jsonl files whose lines have a "text", and exports of DiscordChatExporter as .json.'
        )
    return found


def _take(found: Found, path: Path) -> None:
    name = str(path.relative_to(found.folder))
    if any(part.startswith(".") for part in path.relative_to(found.folder).parts) or path.name in NOT_TEXTS:
        return
    kind = KINDS.get(path.suffix.lower())
    try:
        if kind is None:
            raise NotText(f"{path.suffix or 'a file without an ending'} is not read")
        plain.encoding_of(path)
    except NotText as error:
        found.left_out.append((name, str(error)))
        return
    found.files.append((path, kind))
    found.total_bytes += path.stat().st_size


def _reasons(found: Found) -> str:
    told = [f"{name}: {why}" for name, why in found.left_out[:3]]
    more = len(found.left_out) - len(told)
    return f" ({'; '.join(told)}{f'; and {more} more' if more > 0 else ''})" if told else ""


OnFile = Callable[[Path], None]


def pieces(found: Found, names: Names | None = None, on_file: OnFile = lambda path: None) -> Iterator[Piece]:
    """Yield all texts in pieces; with ``names``, names and mentions are replaced by them.

    A file that turns out to be damaged is used as far as it goes and noted in ``left_out``. Raises OSError.
    """
    for path, kind in found.files:
        on_file(path)
        try:
            for piece in _of(path, kind, found.longest, names):
                yield piece if names is None else Piece(names.replaced(piece.text), piece.ends)
        except NotText as error:
            found.left_out.append((str(path.relative_to(found.folder)), str(error)))


def _of(path: Path, kind: str, longest: int, names: Names | None) -> Iterator[Piece]:
    if kind == EXPORT:
        return discord_export.read(path, longest, names)
    return json_lines.read(path, longest) if kind == LINES else plain.read(path, longest)


def learn_names(found: Found) -> Names:
    """Return the names of everybody who wrote or was mentioned in the exports; each is read once for that."""
    names = Names()
    for path, kind in found.files:
        if kind != EXPORT:
            continue
        try:
            for said in discord_export.messages(path):
                names.learn((said.name, *said.people[0]))
                for person in said.people[1:]:
                    names.learn(person)
        except NotText:
            continue  # which is told when it is read
    return names
