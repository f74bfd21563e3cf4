"""A conversation as one text, for models that were not trained on conversations."""

from __future__ import annotations

from collections.abc import Sequence


def flow(turns: Sequence[str]) -> str:
    """Return turns as a text: a member's words begin a line, the model's go on in it. The last one is a member's."""
    text = ""
    for distance, turn in zip(range(len(turns) - 1, -1, -1), turns, strict=True):
        members = distance % 2 == 0
        text += ("\n" if members and turn and text and not text.endswith("\n") else "") + turn
    return text
