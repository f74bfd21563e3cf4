"""What Discord, or a proxy before it, answered in place of JSON: cut to a line wherever it may be read.

discord.py puts the whole body into the exception. Cloudflare's "You are being rate limited" page is 9,000 characters.
"""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import discord

from townhall_bot.redaction import redacted

MOST_CHARACTERS = 160
_TAGS = re.compile(r"<(script|style|title)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


class NotDiscord(aiohttp.ClientConnectionError):
    """A request was answered with success by something that is not Discord: a login page of a network, a proxy."""


def one_line(text: object) -> str:
    """Return the words of a text, a web page's too, as one line of at most :data:`MOST_CHARACTERS`, without secrets."""
    words = " ".join(_TAGS.sub(" ", redacted(text)).split())
    return words if len(words) <= MOST_CHARACTERS else words[: MOST_CHARACTERS - 1] + "…"


def check(answer: Any, url: str) -> Any:
    """Return a successful answer; raise :class:`NotDiscord` where it is text: Discord's are JSON or empty."""
    if isinstance(answer, str) and answer:
        raise NotDiscord(
            f"{url.partition('/api/')[0]} answered with a page and not as Discord does: {one_line(answer)}"
        )
    return answer


def cut(error: discord.HTTPException) -> None:
    """Cut an error's text, and what it prints as, to a line, where the body was no JSON (Discord's own errors stay)."""
    if (error.code == 0 and len(error.text) > MOST_CHARACTERS) or "<" in error.text:
        error.text = one_line(error.text)
        reason = getattr(error.response, "reason", "")
        error.args = (f"{error.status} {reason} (error code: {error.code}): {error.text}",)
