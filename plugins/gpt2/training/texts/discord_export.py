"""A channel's export by DiscordChatExporter, in its JSON: a conversation is a document, a message a line.

The file is one object whose ``messages`` may be gigabytes, so they are taken out one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from plugins.gpt2.training.texts.names import Names
from plugins.gpt2.training.texts.pieces import LONGEST, NotText, Piece, stream
from plugins.gpt2.training.texts.plain import CHUNK, encoding_of

PAUSE_S = 3600.0
"""After so long a silence, another conversation begins."""
SAID = frozenset({"Default", "Reply", "0", "19"})
"""Kinds of messages that somebody wrote; others tell that somebody joined, or pinned something."""
LARGEST = 1 << 24
"""Characters of one message with all that the export says of it."""
_BEGIN = re.compile(r'(?<!\\)"messages"\s*:\s*\[')
"""Within a string a quotation mark has a backslash before it, so this is found only where the list begins."""
_BETWEEN = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class Said:
    """A message: the writer's shown name, what they wrote, and when."""

    name: str
    people: tuple[tuple[str, ...], ...]
    """The names of each person that the message tells of, the writer's first."""
    text: str
    at_s: float | None


def read(path: Path, longest: int, names: Names | None = None) -> Iterator[Piece]:
    """Yield conversations in pieces, by ``names`` where those are replaced.

    Raises :class:`NotText` where the file is no such export, and OSError.
    """
    conversation: list[str] = []
    size, last = 0, None
    damage: NotText | None = None
    for said in _until_damaged(path):
        if isinstance(said, NotText):
            damage = said  # what was said before it counts
            break
        silent = said.at_s is not None and last is not None and abs(said.at_s - last) > PAUSE_S
        if conversation and (silent or size > LONGEST):  # one without a pause is not to be in memory whole
            yield from stream(iter(conversation), longest)
            conversation, size = [], 0
        name = said.name if names is None else names.learn((said.name, *said.people[0]))
        conversation.append(f"{name}: {said.text}\n")
        size += len(conversation[-1])
        last = said.at_s
    yield from stream(iter(conversation), longest)
    if damage is not None:
        raise damage


def _until_damaged(path: Path) -> Iterator[Said | NotText]:
    try:
        yield from messages(path)
    except NotText as error:
        yield error


def messages(path: Path) -> Iterator[Said]:
    """Yield what people wrote, in the file's order; bots and empty messages are left out."""
    for found in _objects(path):
        author, content = found.get("author"), found.get("content")
        if not isinstance(author, dict) or not isinstance(content, str) or not content.strip():
            continue
        if author.get("isBot") is True or str(found.get("type", "Default")) not in SAID:
            continue
        mentioned = found.get("mentions")
        people = map(_names, (author, *(mentioned if isinstance(mentioned, list) else ())))
        name = author.get("nickname") or author.get("name") or "somebody"
        yield Said(str(name), tuple(people), content.strip(), _seconds(found.get("timestamp")))


def _names(person: Any) -> tuple[str, ...]:
    if not isinstance(person, dict):
        return ()
    return tuple(str(person[key]) for key in ("name", "nickname") if person.get(key))


def _seconds(stamp: object) -> float | None:
    try:
        return datetime.fromisoformat(str(stamp)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the members of ``messages``."""
    decode = json.JSONDecoder().raw_decode
    with path.open(encoding=encoding_of(path), errors="replace") as file:
        held = file.read(CHUNK)
        while (begin := _BEGIN.search(held)) is None:
            more = file.read(CHUNK)
            if not more or len(held) > LARGEST:
                raise NotText('it has no list of "messages"; export the channel as JSON with DiscordChatExporter')
            held += more
        at = begin.end()
        while True:
            at = _BETWEEN.match(held, at).end()  # type: ignore[union-attr]  # it matches nothing at all, too
            if held.startswith("]", at):
                return
            try:
                found, at = decode(held, at)
            except (ValueError, RecursionError):
                more = file.read(CHUNK)
                if not more:
                    raise NotText("it ends in the middle of a message; export the channel again") from None
                if len(held) - at > LARGEST:
                    raise NotText("what should be a message is not JSON; export the channel again") from None
                held, at = held[at:] + more, 0
                continue
            if isinstance(found, dict):
                yield found
