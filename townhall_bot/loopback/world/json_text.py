"""JSON as it goes over a wire: what cannot be sent on as UTF-8, or is no number in JSON, never gets in."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read(text: str | bytes) -> Any:
    """Return what ``text`` says; raise ValueError where it is no JSON.

    Stricter than Python: half of a surrogate pair, which no UTF-8 has, is refused, and so are numbers that are none or
    too large for one. In anybody else's frame they would end whoever sends it on.
    """
    if isinstance(text, bytes):
        text = text.decode()
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if _ESCAPED_SURROGATE.search(text):  # pairs of them are how JSON spells many emoji
        json.dumps(value, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError, for a lone one
    return value


def write(value: Any, *, indent: int | None = None) -> str:
    """Return ``value`` as JSON that can be sent: what UTF-8 cannot say is a question mark in it."""
    return json.dumps(value, ensure_ascii=False, indent=indent).encode(errors="replace").decode()


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
