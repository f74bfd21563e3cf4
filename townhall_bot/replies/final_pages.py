"""What is shown of a text that is whole: so many messages, or one and a file, with the small print below the last."""

from __future__ import annotations

import io

import discord

from townhall_bot.i18n.texts import Words
from townhall_bot.replies.paging import MESSAGE_LIMIT, length, split
from townhall_bot.replies.sanitize import sanitize

MAX_PAGES = 3
"""A text of more pages than this becomes a file: a wall of messages pushes everyone else's talk away."""
MAX_NOTE = 600
"""Characters of small print: several sentences in any language, and far from what a message holds."""


def final_pages(
    text: str, note: str, plain: str | None, words: Words, *, may_attach: bool
) -> tuple[list[str], str | None]:
    """Return the messages that show ``text``, sanitized, and what the file beside them holds; None: it needs none.

    Without the right to attach files, a text that is too long for :data:`MAX_PAGES` messages is cut, and says so.
    """
    shown, below = sanitize(text), small(note)
    pages = _pages(shown, below)
    if len(pages) <= MAX_PAGES:
        return pages, None
    if may_attach:
        below = small(words("reply.in_file")) + below
        return [split(shown, MESSAGE_LIMIT - length(below) - 2)[0] + " …" + below], plain or text
    below = small(words("reply.no_file")) + below
    last = split(pages[MAX_PAGES - 1], MESSAGE_LIMIT - length(below) - 2)[0] + " …" + below
    return [*pages[: MAX_PAGES - 1], last], None


def small(note: str) -> str:
    """Return ``note`` as Discord's small print, to stand below a text; what is too long for that is cut."""
    return "".join(f"\n-# {line}" for line in note[:MAX_NOTE].splitlines() if line.strip())


def _pages(text: str, below: str) -> list[str]:
    """Return the pages of ``text`` with the small print below the last; always at least one."""
    pages = split(text) or [""]
    if length(pages[-1]) + length(below) > MESSAGE_LIMIT:
        pages[-1:] = split(pages[-1], MESSAGE_LIMIT - length(below))
    pages[-1] += below
    return pages


def as_file(text: str) -> discord.File:
    """Return ``text`` as an attachment."""
    return discord.File(io.BytesIO(text.encode()), "text.txt")
