"""A message tells its prompt and text back, as they were written."""

from __future__ import annotations

import pytest

from plugins.gpt2.chat.message_format import LONG_PROMPT, Shown, parse, plain, render, verbatim
from townhall_bot.replies.sanitize import sanitize

HARD = [
    "plain words",
    "*stars* _under_ ~~gone~~ ||secret|| `code` a\\b",
    "# title\n- one\n1. two\n> three\n-# small",
    "see https://example.org/a_b*c (and [this](https://example.org)) <@1> <:smile:2>",
    "join discord.gg/townhall now",
]


@pytest.mark.parametrize("text", HARD)
def test_plain_undoes_what_makes_text_safe_to_show(text: str) -> None:
    assert plain(sanitize(verbatim(text))) == text


@pytest.mark.parametrize("prompt", [*HARD, "two\n\nparagraphs", "**bold** already"])
@pytest.mark.parametrize("text", [*(f" {text}" for text in HARD), "\n\nand *then*\nmore", ""])
@pytest.mark.parametrize("note", ["", "\n-# Stopped.\n-# queue 3 ms"])
def test_prompt_and_text_come_back(prompt: str, text: str, note: str) -> None:
    assert parse(sanitize(render(prompt, text)) + note) == Shown(prompt, text)


def test_without_a_prompt_all_is_text() -> None:
    assert parse(render("", "Once *upon*")) == Shown("", "Once *upon*")


def test_of_a_long_prompt_the_end_comes_back_and_says_that_it_is_cut() -> None:
    prompt = " ".join(f"word{i}" for i in range(LONG_PROMPT))
    shown = parse(render(prompt, " and on"))
    assert shown.cut
    assert prompt.endswith(shown.prompt)
    assert shown.text == " and on"


def test_of_a_long_prompt_without_spaces_the_end_comes_back_too() -> None:
    prompt = "人民大会堂是中国的建筑。" * 100
    shown = parse(render(prompt, "。"))
    assert shown.cut
    assert prompt.endswith(shown.prompt)
    assert len(shown.prompt) > 300


def test_a_short_prompt_may_begin_like_a_cut_one() -> None:
    assert parse(render("… and then", " she went")) == Shown("… and then", " she went")


def test_the_words_for_no_text_are_none() -> None:
    assert parse("*(no text)*\n-# Stopped.") == Shown("", "")
    assert parse("*(kein Text)*\n-# Angehalten.") == Shown("", "")


def test_a_message_that_still_waits_tells_nothing() -> None:
    assert parse("⏳ You are next.") == Shown("", "")
