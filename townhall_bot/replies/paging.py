"""Cutting a long text into messages: at paragraphs, lines or words, with code blocks closed and opened again.

Discord's limit counts characters, by its staff's word code points (discord-api-docs issue 1315); clients count UTF-16
units. Counting UTF-16 here is never less than either, so a page always fits.
"""

from __future__ import annotations

import re
import unicodedata

MESSAGE_LIMIT = 2000
SMALLEST_PAGE = 30
_FENCE = re.compile(r"```([\w+#.-]*\n)?")
_CLOSE = "\n```"
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…])\s+"), re.compile(r"\s+"))


def length(text: str) -> int:
    """Return the length of ``text`` in UTF-16 units."""
    return len(text) + sum(char > "\uffff" for char in text)


def split(text: str, limit: int = MESSAGE_LIMIT) -> list[str]:
    """Cut ``text`` into pages of at most ``limit`` characters. Words are cut only where one alone is longer.

    White space at a cut is dropped. A code block that is open at a cut is closed, and opened again on the next page.
    Raises ValueError where ``limit`` leaves no room for that.
    """
    if limit < SMALLEST_PAGE:
        raise ValueError(f"a page of {limit} characters is too small; {SMALLEST_PAGE} are the least")
    pages: list[str] = []
    reopened = ""
    while length(reopened) + length(text) > limit:
        budget = limit - length(reopened) - len(_CLOSE)
        end = _cut(text, max(budget, 1))
        page, text = reopened + text[:end].rstrip(), text[end:]
        text = text.lstrip("\n") if text.startswith("\n") else text.lstrip(" \t")
        reopened = _open_fence(page)
        if reopened and page == reopened.rstrip():
            continue  # nothing but the opening fence: it goes to the next page
        pages.append(page + _CLOSE if reopened else page)
        if len(reopened) > limit // 4:
            reopened = "```\n"
    if text.strip():
        pages.append(reopened + text)
    return [page for page in pages if page.strip()]


def tail(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return ``text``, or its end behind an ellipsis where it is longer than ``limit``; begins with a whole word."""
    if length(text) <= limit:
        return text
    start = len(text) - _fitting(text[::-1], limit - 16)
    gap = re.compile(r"\s").search(text, start, min(len(text), start + limit // 4))
    fence = "```\n" if _open_fence(text[:start]) else ""
    return f"{fence}… {text[gap.end() if gap else start :].lstrip()}"


def _fitting(text: str, budget: int) -> int:
    """Return how many characters of ``text`` fit into ``budget`` UTF-16 units."""
    end = min(len(text), budget)
    while length(text[:end]) > budget:
        end -= max(1, (length(text[:end]) - budget) // 2)
    return end


def _cut(text: str, budget: int) -> int:
    """Return where to end a page: the last good break in its second half, else any break, else inside a word."""
    end = _fitting(text, budget)
    for start in (end // 2, 1):
        for pattern in _BREAKS:
            # One character more may be looked at: a page may end right before the space that no longer fits.
            found = [match.start() for match in pattern.finditer(text, start, end + 1)]
            if found:
                return found[-1]
    while end > 1 and not _may_cut(text, end):
        end -= 1
    return end if end > 1 else _fitting(text, budget) or 1


def _may_cut(text: str, at: int) -> bool:
    """Tell whether a word may be cut before ``text[at]``: not inside an emoji, an accent or a code fence."""
    before, after = text[at - 1], text[at]
    joined = unicodedata.combining(after) or after in "\u200d\ufe0f" or before == "\u200d"
    modifier = "\U0001f3fb" <= after <= "\U0001f3ff"
    return not joined and not modifier and not (before == after == "`")


def _open_fence(text: str) -> str:
    """Return the opening line of the code block that is still open at the end of ``text``, or an empty string."""
    opening = ""
    for match in _FENCE.finditer(text):
        opening = "" if opening else "```" + (match[1] or "\n")
    return opening
