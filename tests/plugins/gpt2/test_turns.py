"""A conversation as one text: a member's words begin a line, the model's go on in it."""

from __future__ import annotations

import pytest

from plugins.gpt2.turns import flow


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        ([], ""),
        (["Hello"], "Hello"),
        (["Hello", " world.", "But"], "Hello world.\nBut"),
        (["", "A text.", "And"], "A text.\nAnd"),
        (["Hello", " world.\n", "But"], "Hello world.\nBut"),
        (["Hello", " world", ""], "Hello world"),
        (["a", "b", "c", "d", "e"], "ab\ncd\ne"),
    ],
)
def test_it_reads_as_it_was_said(turns: list[str], text: str) -> None:
    assert flow(turns) == text
