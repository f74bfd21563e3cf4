"""The frame of everything that is said: a version in the path, an object of JSON on a line, and a beat while there is
nothing to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

VERSION = "v1"
"""The version that is spoken here, and the beginning of every path between the parts."""
BEAT = b"{}\n"
"""The line that says nothing but that somebody is there."""
BEAT_S = 0.5
"""How often a stream that has nothing to say has a beat, in seconds."""
SILENCE_S = 1.5
"""After so many seconds without a line, who should speak is taken for lost."""

Object = Mapping[str, Any]


class WireError(ValueError):
    """What came is not what is spoken here: says what was wrong, and what was expected."""


def path(rest: str) -> str:
    """Return the path of a call."""
    return f"/{VERSION}/{rest}"


def line(said: Object) -> bytes:
    """Return an object as a line."""
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass") + b"\n"


def read(raw: bytes) -> dict[str, Any]:
    """Return the object of a line, empty for a beat. Raises :class:`WireError`."""
    try:
        said = json.loads(raw.decode(errors="surrogatepass"))
    except ValueError as error:
        raise WireError(f"A line is not JSON: {error}. Something between the parts changes what they say.") from error
    if not isinstance(said, dict):
        raise WireError(f"A line is {type(said).__name__}, not an object. Is this Townhall's router or engine?")
    return said


def other_version(asked: str) -> str:
    """Return what is told to who speaks another version."""
    return f"This speaks {VERSION}, and was asked in {asked}. Install the same Townhall on bots, routers and engines."
