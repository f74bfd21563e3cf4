"""Names and mentions, replaced: whoever wrote is ``user1``, ``user2``…, the same one throughout.

What cannot be known is not found: a name in a plain text, a nickname that no export mentions, what people say about
somebody. docs/training.md says so to hosts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

SHORTEST = 3
"""Characters of a name that is replaced inside a text without an @ before it; "Al" is in too many words."""
SOMEBODY = "somebody"

_IDS = re.compile(r"<(?:@[!&]?|#)\d{15,21}>")
_AT = re.compile(r"(?<![\w@.])@(?!everyone\b|here\b)\w[\w.-]*")
_ADDRESS = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


class Names:
    """Who is called how. People are learnt before texts are read: a name may come before its bearer."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._people = 0
        self._pattern: re.Pattern[str] | None = None

    def learn(self, names: Iterable[str]) -> str:
        """Remember what one person is called, in upper or lower case; return what stands for them."""
        keys = [key for key in (name.strip().casefold() for name in names) if key]
        label = next((self._known[key] for key in keys if key in self._known), None)
        if label is None:
            self._people += 1
            label = f"user{self._people}"
        for key in keys:
            if self._known.setdefault(key, label) is label:
                self._pattern = None
        return label

    def __len__(self) -> int:
        return self._people

    def replaced(self, text: str) -> str:
        """Return a text without the names that are known, without mentions and without addresses of mail."""
        text = _ADDRESS.sub(SOMEBODY, _IDS.sub(SOMEBODY, text))
        if self._known:
            self._pattern = self._pattern or _any_of(self._known)
            text = self._pattern.sub(self._label, text)
        return _AT.sub(SOMEBODY, text)

    def _label(self, found: re.Match[str]) -> str:
        if len(found["name"]) < SHORTEST and not found[0].startswith("@"):
            return found[0]
        return self._known.get(found["name"].casefold(), SOMEBODY)


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for any of the names, by their common beginnings: thousands take as few steps as ten."""
    tree: dict[str, Any] = {}
    for name in names:
        node = tree
        for letter in name:
            node = node.setdefault(letter, {})
        node[""] = {}
    return re.compile(rf"(?<!\w)@?(?P<name>{_branches(tree)})(?!\w)", re.IGNORECASE)


def _branches(tree: dict[str, Any]) -> str:
    """Return the pattern of what may follow, the longest first."""
    longer = [re.escape(letter) + _branches(rest) for letter, rest in tree.items() if letter]
    if not longer:
        return ""
    either = longer[0] if len(longer) == 1 else f"(?:{'|'.join(longer)})"
    return f"(?:{either})?" if "" in tree else either
