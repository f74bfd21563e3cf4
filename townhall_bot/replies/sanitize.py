"""Text that nobody vouches for, made harmless to show in a chat.

Mentions need nothing here: every message the bot sends carries ``allowed_mentions`` that allow none.
"""

from __future__ import annotations

import re
import unicodedata

_GAP = "\u200b"
"""A zero-width space: breaks markup apart and is not seen."""

_MASKED_LINK = re.compile(r"\](?=\()")
_INVITE = re.compile(r"(discord(?:app)?\.(?:gg|com|me)|dsc\.gg)(?=\s*/)", re.IGNORECASE)
# Bidirectional embeddings, overrides and isolates can make a text read as another one.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def sanitize(text: str) -> str:
    """Return ``text`` with links that hide their target spelled out, invites inert and control characters gone."""
    kept = "".join(char for char in text.replace("\r\n", "\n").replace("\r", "\n") if _harmless(char))
    return _INVITE.sub(rf"\1{_GAP}", _MASKED_LINK.sub(f"]{_GAP}", kept))


def _harmless(char: str) -> bool:
    if char in "\n\t":
        return True
    return unicodedata.category(char) not in ("Cc", "Cs") and char not in _REORDERING
