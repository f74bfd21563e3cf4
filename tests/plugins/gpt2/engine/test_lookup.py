"""What a text said before is what it may say again."""

from __future__ import annotations

from plugins.gpt2.engine.lookup import PATIENCE, Lookup, guess


def test_the_last_time_the_same_ending_came_up_counts() -> None:
    assert guess([1, 2, 3, 7, 8, 9, 1, 2, 3, 4, 5, 6, 1, 2, 3], 3) == [4, 5, 6]


def test_a_longer_ending_is_believed_before_a_shorter_one() -> None:
    assert guess([0, 1, 2, 3, 9, 9, 5, 1, 2, 3, 8, 8, 0, 1, 2, 3], 2) == [9, 9]


def test_an_ending_that_is_new_gives_no_guess() -> None:
    assert guess([1, 2, 3, 4, 5, 6], 3) == []
    assert guess([1, 2], 3) == []


def test_a_text_that_guesses_badly_pauses_and_tries_again_later() -> None:
    lookup, tokens = Lookup(), [1, 2, 3, 1, 2, 3]
    assert lookup.draft(tokens, 3) == [1, 2, 3]
    while lookup.draft(tokens, 3):
        lookup.learn(0, len(tokens))
    assert lookup.draft(tokens * (PATIENCE // 6 + 1), 3) != []


def test_a_text_that_guesses_well_goes_on_guessing() -> None:
    lookup, tokens = Lookup(), [1, 2, 3, 1, 2, 3]
    for _ in range(50):
        assert lookup.draft(tokens, 3)
        lookup.learn(2, len(tokens))
