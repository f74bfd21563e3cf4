"""Long texts in messages: nothing is lost, no word is cut, no code block is broken."""

import random

import pytest

from townhall_bot.replies.paging import MESSAGE_LIMIT, length, split, tail


def speech(words: int, seed: int = 7) -> str:
    dice = random.Random(seed)
    parts = []
    for _ in range(words):
        parts.append("".join(dice.choices("abcdefghäß🙂", k=dice.randint(1, 14))))
        parts.append(dice.choices([" ", ". ", "\n", "\n\n"], [80, 10, 5, 5])[0])
    return "".join(parts)


def test_a_short_text_is_one_page_as_it_is() -> None:
    assert split("We the people ") == ["We the people "]


def test_no_text_is_no_page() -> None:
    assert split("") == []
    assert split(" \n ") == []


@pytest.mark.parametrize("limit", [50, 120, 2000])
@pytest.mark.parametrize("seed", range(5))
def test_every_word_arrives_whole_and_in_order(limit: int, seed: int) -> None:
    text = speech(900, seed)
    pages = split(text, limit)
    assert len(pages) > 1
    assert all(0 < length(page) <= limit for page in pages)
    assert [word for page in pages for word in page.split()] == text.split()


def test_a_page_is_filled_before_the_next_begins() -> None:
    pages = split("word " * 2000)
    assert all(length(page) > MESSAGE_LIMIT - 20 for page in pages[:-1])


def test_a_cut_prefers_the_end_of_a_paragraph_to_that_of_a_sentence_to_a_space() -> None:
    paragraph, sentence = "a" * 30 + ".\n\n", "b " * 8 + "c. "
    assert split(paragraph + sentence + "d " * 40, 60)[0] == "a" * 30 + "."
    assert split("b " * 20 + "end. " + "d " * 40, 60)[0] == "b " * 20 + "end."


def test_a_word_longer_than_a_page_is_cut_but_complete() -> None:
    pages = split("x" * 4500)
    assert "".join(pages) == "x" * 4500
    assert all(length(page) <= MESSAGE_LIMIT for page in pages)


def test_an_emoji_counts_as_the_two_units_that_clients_count() -> None:
    assert length("🙂") == 2
    pages = split("🙂" * 1500)
    assert all(length(page) <= MESSAGE_LIMIT for page in pages)
    assert "".join(pages) == "🙂" * 1500


def test_a_joined_emoji_and_an_accent_stay_together() -> None:
    family = "\u200d".join("👨👩👧")
    assert all(not page.startswith("\u200d") for page in split(family * 60, 50))
    assert all(not page.startswith("\u0301") for page in split("e\u0301" * 90, 51))


def test_a_code_block_is_closed_and_opened_again_in_its_language() -> None:
    lines = [f"value_{number} = {number}" for number in range(60)]
    pages = split("Look:\n```python\n" + "\n".join(lines) + "\n```\nThat is all.", 300)
    assert len(pages) > 2
    assert all(page.count("```") % 2 == 0 for page in pages)
    assert all(page.startswith("```python\n") for page in pages[1:-1])
    assert all(length(page) <= 300 for page in pages)
    assert [line for page in pages for line in page.splitlines() if line.startswith("value_")] == lines


def test_a_fence_nobody_closes_does_not_swallow_the_next_message() -> None:
    pages = split("```\n" + "no end " * 600)
    assert all(page.count("```") == 2 for page in pages[:-1])


def test_text_of_backticks_alone_still_ends() -> None:
    pages = split("`" * 5000, 100)
    assert all(length(page) <= 100 for page in pages)


def test_the_tail_begins_with_a_whole_word() -> None:
    text = " ".join(f"word{number}" for number in range(1000))
    shown = tail(text)
    assert length(shown) <= MESSAGE_LIMIT
    assert shown.startswith("… word")
    assert text.endswith(shown.removeprefix("… "))


def test_the_tail_of_a_code_block_is_a_code_block() -> None:
    shown = tail("```\n" + "line of code\n" * 300)
    assert shown.startswith("```\n")
    assert length(shown) <= MESSAGE_LIMIT


def test_a_short_text_is_its_own_tail() -> None:
    assert tail("short") == "short"
