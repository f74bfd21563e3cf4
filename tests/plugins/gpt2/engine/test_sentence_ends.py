"""Where a sentence ends, and where what looks like an end is none."""

from __future__ import annotations

import pytest

from plugins.gpt2.engine.sentence_ends import last_end


@pytest.mark.parametrize(
    "text",
    [
        "It rained.| The sun",
        "Why?| Because",
        "He left!| Then",
        'She said, "Go."| Then he went',
        "„Geh!“| Da ging er",
        "(It was late.)| We slept",
        "He waited…| Nothing came",
        "It cost 3.50 in 1998.| Then it rose",
        "it ended.|\nand a new line",
        "A heading|\n\nand a paragraph",
        "今日は晴れです。|明日も",
        "「行こう。」|と彼",
        "本当?|そうです",
        "वह गया।| फिर वह",
        "هل ذهبت؟| نعم",
        "So did I.| Nobody knew",
        "¿Vienes?| ¡Sí",
    ],
)
def test_a_sentence_ends_where_a_reader_sees_it_end(text: str) -> None:
    before, behind = text.split("|")
    assert last_end(before + behind) == len(before)


@pytest.mark.parametrize(
    "text",
    [
        "Then Dr. Watson came",
        "See e.g. Holmes and",
        "It cost 3.50 in",
        "J. R. R. Tolkien wrote",
        "Am 3. Mai kamen",
        "Das ist z. B. Brot und",
        'He cried "Stop!" and ran',
        "He paused... and went on",
        "Look at example.com for",
        "It rained.",
        "It rained. ",
        "No end at all",
        "ประเทศไทย มี",
    ],
)
def test_what_only_looks_like_an_end_or_may_go_on_is_none(text: str) -> None:
    assert last_end(text) is None


@pytest.mark.parametrize(("text", "end"), [("It rained.", 10), ("It rained. ", 10), ("Ask Mr.", None), ("今日。", 3)])
def test_at_the_very_end_nothing_can_follow(text: str, end: int | None) -> None:
    assert last_end(text, final=True) == end
