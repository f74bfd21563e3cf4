from __future__ import annotations

import pytest

from plugins.gpt2.chat.message_format import LONG_PROMPT, ending, measured, render, verbatim, waiting
from plugins.gpt2.messages import TEXTS, message
from plugins.gpt2.protocol import Timing

WORDS = TEXTS.of("en-US")
TIMING = Timing(
    queue_ms=12.4,
    first_token_ms=1234.0,
    prefill_tok_s=240.0,
    decode_tok_s=45.678,
    total_ms=2500.0,
    prompt_tokens=3,
    new_tokens=40,
    seed=42,
    model="townhall-mini",
    device="CPU",
    dtype="int8",
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, and 3.5 - 2 > 1 #tag", "plain words, and 3.5 - 2 > 1 #tag"),
        ("*a* _b_ ~~c~~ ||d|| `e`", r"\*a\* \_b\_ \~\~c\~\~ \|\|d\|\| \`e\`"),
        ("```\ncode\n```", "\\`\\`\\`\ncode\n\\`\\`\\`"),
        ("# big\n## less\n-# small", "\\# big\n\\## less\n\\-# small"),
        ("- one\n* two\n1. three\n> four", "\\- one\n\\* two\n1\\. three\n\\> four"),
        ("  - indented", "  \\- indented"),
        ("<@123> <#4> <:smile:5> <t:6> 1 < 2", r"\<@123> \<#4> \<:smile:5> \<t:6> 1 < 2"),
        ("[a](https://evil.example)", r"\[a](https://evil.example)"),
        ("https://example.org/a_b_c is_kept", r"https://example.org/a_b_c is\_kept"),
        (r"a\*b", r"a\\\*b"),
    ],
)
def test_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert verbatim(text) == shown


def test_the_text_goes_on_right_behind_the_prompt() -> None:
    assert render("My fellow", " citizens") == "**My fellow** citizens"
    assert render("under_score", "s") == r"**under\_score**s"


def test_white_space_stays_outside_of_the_bold() -> None:
    assert render("  Title: ", "text") == "**Title:** text"
    assert render("one\n\n two\n", "three") == "**one**\n\n**two**\nthree"


def test_without_a_prompt_there_is_only_the_text() -> None:
    assert render("", "Once") == "Once"
    assert render(" \n", "Once") == "Once"


def test_of_a_very_long_prompt_the_end_is_shown_from_a_whole_word_on() -> None:
    prompt = " ".join(f"word{i}" for i in range(LONG_PROMPT))
    shown = render(prompt, " and on")
    assert shown.startswith("**… word")
    assert shown.endswith(f"word{LONG_PROMPT - 1}** and on")
    assert len(shown) < LONG_PROMPT


def test_the_waiting_line_tells_the_place() -> None:
    assert waiting(WORDS, 3, None, None) == "⏳ In the queue: 3 go before you."
    assert waiting(WORDS, 1, None, None) == "⏳ In the queue: 1 goes before you."
    assert waiting(WORDS, 0, None, None) == "⏳ You are next."
    assert waiting(WORDS, 0, 12.4, None) == "⏳ You are next, in about 12 s."
    assert waiting(WORDS, 1, 200.0, None) == "⏳ In the queue: 1 goes before you; your turn comes in about 3 min."
    assert waiting(WORDS, 2, 9.0, message("progress.looking", model="my_own")) == r"⏳ Looking for my\_own"


def test_the_timing_line_says_everything_that_was_measured() -> None:
    assert measured(WORDS, TIMING, ["seed 42", "min_p 0.1"]) == (
        "queue 12 ms · first token 1.2 s · prefill 240 tokens/s · decode 45.7 tokens/s · 3 + 40 tokens in 2.5 s · "
        "seed 42 · min_p 0.1 · townhall-mini on CPU, int8"
    )


def test_the_small_print_names_what_was_adjusted_and_an_unexpected_end() -> None:
    assert ending(WORDS, "length", [], None) == ""
    assert ending(WORDS, "context", [message("notice.empty")], None).splitlines() == [
        "Your prompt is empty, so the model starts a text of its own.",
        "The text ends here because the model reads no more than this at a time.",
    ]
