"""What a text said before is what it may say again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from plugins.gpt2.engine.guess_cost import UNMEASURED, GuessCost
from plugins.gpt2.engine.prompt_lookup import LONGEST_STRIDE, PATIENCE, STRIDE, WIDTH, PromptLookup


def test_the_last_time_the_same_ending_came_up_counts() -> None:
    assert PromptLookup().propose([1, 2, 3, 7, 8, 9, 1, 2, 3, 4, 5, 6, 1, 2, 3], 3) == [4, 5]


def test_a_longer_ending_is_believed_before_a_shorter_one() -> None:
    assert PromptLookup().propose([0, 1, 2, 3, 9, 9, 5, 1, 2, 3, 8, 8, 0, 1, 2, 3], 2) == [9, 9]


def test_an_ending_that_is_new_gives_no_guess() -> None:
    assert PromptLookup().propose([1, 2, 3, 4, 5, 6], 3) == []
    assert PromptLookup().propose([1, 2], 3) == []


def test_a_text_that_guesses_badly_pauses_longer_each_time() -> None:
    lookup, pauses, length = PromptLookup(), [], 12
    for _ in range(3):
        while not lookup.propose([1, 2, 3] * (length // 3), 3):
            length += 3
        lookup.pace.record(0, length, UNMEASURED)
        pauses.append(lookup.pace.wait_until - length)
    assert pauses == [12, 24, 48]


def test_what_is_worth_a_guess_is_what_checking_it_costs() -> None:
    cost = GuessCost()
    assert cost.of_check(3) == UNMEASURED
    cost.single(0.010)
    cost.checked(3, 0.013)
    cost.checked(3, 0.030)  # something else took the processor
    cost.checked(7, 0.022)
    assert cost.of_check(3) == pytest.approx(0.3, abs=0.05)
    assert cost.of_check(7) == pytest.approx(1.2, abs=0.05)
    cheap, dear = PromptLookup(), PromptLookup()
    cheap.pace.record(0, 100, worth=0.2)
    dear.pace.record(0, 100, worth=0.9)
    assert cheap.pace.wait_until == 0
    assert dear.pace.wait_until > 100


def test_a_text_that_guesses_well_goes_on_guessing() -> None:
    lookup, tokens = PromptLookup(), [1, 2, 3, 1, 2, 3]
    for _ in range(50):
        assert lookup.propose(tokens, 3)
        lookup.learn(2, 3, len(tokens), GuessCost())


def lengths(cost: GuessCost) -> list[int]:
    """How long the guesses are of which all but the last are right, and the one after that."""
    lookup, tokens, found = PromptLookup(), [*range(20), 0, 1, 2], list[int]()
    for right in (True, True, True, False):
        found.append(len(lookup.propose(tokens, 7)))
        lookup.learn(found[-1] * right, found[-1], len(tokens), cost)
    lookup.pace.wait_until = 0
    return [*found, len(lookup.propose(tokens, 7))]


def test_a_guess_that_was_right_to_its_end_is_followed_by_a_longer_one_where_that_pays() -> None:
    cheap, dear = GuessCost(), GuessCost()
    for cost in (cheap, dear):
        cost.single(0.010)
        cost.checked(2, 0.012)
        cost.checked(3, 0.013)
    dear.checked(7, 0.040)
    assert lengths(cheap) == [2, 3, 7, 7, 2]
    assert lengths(dear) == [2, 3, 3, 3, 2]


def test_a_text_that_goes_round_is_guessed_beyond_its_end() -> None:
    lookup, cost = PromptLookup(), GuessCost()
    for _ in range(2):
        lookup.learn(3, 3, 0, cost)
    assert lookup.propose([7, 8, 7, 8, 7, 8], 5) == [7, 8, 7, 8, 7]


def test_a_text_in_which_nothing_comes_again_is_looked_at_now_and_then() -> None:
    lookup, tokens = PromptLookup(), list(range(PATIENCE + 3))
    for length in range(3, len(tokens) + 1):
        assert lookup.propose(tokens[:length], 3) == []
    tokens += [1, 2, 3]
    found = [len(tokens)]
    while not lookup.propose(tokens, 3):
        tokens.append(tokens[-1] + 1)
        found.append(len(tokens))
    assert len(found) <= STRIDE
    tokens.append(tokens[-1] + 1)
    assert lookup.propose(tokens, 3)


def test_the_longer_nothing_comes_again_the_more_rarely_a_text_is_looked_at_and_a_repetition_is_still_found() -> None:
    lookup, long = PromptLookup(), 40 * PATIENCE
    tokens, looked, before = list(range(3)), list[int](), 0
    while len(tokens) < long:
        assert lookup.propose(tokens, 3) == []
        if (known := len(lookup._text) // WIDTH) > before:
            looked.append(known)
            before = known
        tokens.append(len(tokens))
    apart = [later - earlier for earlier, later in pairwise(looked)]
    assert apart == sorted(apart)
    assert (apart[0], apart[-1]) == (1, LONGEST_STRIDE)
    tokens += [1, 2, 3]
    while not (guess := lookup.propose(tokens, 2)):
        tokens.append(tokens[-1] + 1)
        assert len(tokens) <= long + 3 + LONGEST_STRIDE
    assert guess == [tokens[-1] + 1, tokens[-1] + 2]


def test_a_text_whose_tokens_are_drawn_is_looked_at_rarely_from_the_start_and_a_repetition_is_still_found() -> None:
    lookup, tokens = PromptLookup(quiet=True), [258, 2, 3, 4]
    assert lookup.propose(tokens, 3) == []
    while not (guess := lookup.propose(tokens, 2)):
        tokens.append(tokens[-4])
        assert len(tokens) <= 4 + LONGEST_STRIDE
    assert guess == [tokens[-4], tokens[-3]]


def test_only_whole_tokens_are_taken_for_the_same() -> None:
    # As bytes, four times 256 contain three times 1, shifted by one.
    assert PromptLookup().propose([256, 256, 256, 256, 7, 1, 1, 1], 3) == []
    assert PromptLookup().propose([1, 1, 1, 8, 256, 256, 256, 256, 7, 1, 1, 1], 3) == [8, 256]
