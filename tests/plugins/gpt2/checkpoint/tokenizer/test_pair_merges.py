"""Only listed pairs are joined, as transformers joins them; tiktoken is used where that gives the same tokens."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.model_names import MINI_FOLDER
from plugins.gpt2.checkpoint.tokenizer.bpe import SPLIT_PATTERN, BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET
from plugins.gpt2.checkpoint.tokenizer.pair_merges import PairMerges, any_pair_is_listed
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import read_merges
from tests.plugins.gpt2.checkpoint.tokenizer.test_tokenizer import OFFICIAL, TEXTS

Merges = list[tuple[str, str]]


def vocabulary(merges: Merges) -> dict[str, int]:
    tokens = dict.fromkeys([*BYTE_ALPHABET, *(left + right for left, right in merges)])
    return {token: number for number, token in enumerate(tokens)}


def one_by_one(word: str, merges: Merges) -> list[str]:
    """The rule in its plainest form: of the listed pairs that are there, join the first in the list, the leftmost."""
    pieces = list(word)
    while found := [(merges.index(pair), at) for at, pair in enumerate(itertools.pairwise(pieces)) if pair in merges]:
        at = min(found)[1]
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    return pieces


def drawn(dice: random.Random, count: int) -> Merges:
    """Merges of a few letters in an order that no training would give, each from tokens that are there by then."""
    merges: Merges = []
    tokens = ["a", "b", "c"]
    while len(merges) < count:
        pair = dice.choice(tokens), dice.choice(tokens)
        if len(pair[0] + pair[1]) <= 6 and pair not in merges:
            merges.append(pair)
            tokens.append(pair[0] + pair[1])
    return merges


@pytest.mark.parametrize("seed", range(40))
def test_the_first_listed_pair_is_joined_first_and_no_other_ever(seed: int) -> None:
    dice = random.Random(seed)
    merges = drawn(dice, 12)
    vocab = vocabulary(merges)
    exact, whole = PairMerges(vocab, merges, SPLIT_PATTERN), BPETokenizer(vocab, merges)
    for _ in range(40):
        word = "".join(dice.choice("abc") for _ in range(dice.randint(1, 14)))
        expected = [vocab[piece] for piece in one_by_one(word, merges)]
        assert exact.encode(word) == expected
        assert whole.encode(word) == expected, "whichever of the two does the work"


def test_some_lists_are_tiktokens_and_some_are_not() -> None:
    found = [
        any_pair_is_listed(vocabulary(merges), merges)
        for seed in range(200)
        if (merges := drawn(random.Random(seed), 5))
    ]
    assert 20 < sum(found) < 180


@pytest.mark.parametrize(
    ("merges", "word", "expected"),
    [
        ([("b", "c"), ("a", "b"), ("ab", "c")], "abc", ["a", "bc"]),  # tiktoken would join them
        ([("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")], "abc", ["abc"]),  # two merges make one token
        ([("ab", "c"), ("a", "b")], "abc", ["abc"]),  # a merge before the one that makes its half
    ],
)
def test_lists_that_people_mend_by_hand(merges: Merges, word: str, expected: list[str]) -> None:
    vocab = vocabulary(merges)
    assert BPETokenizer(vocab, merges).encode(word) == [vocab[piece] for piece in expected]


def test_a_byte_without_a_token_is_left_out_or_unknown() -> None:
    vocab = {token: number for token, number in vocabulary([("a", "b")]).items() if token != "c"}
    assert BPETokenizer(vocab, [("a", "b")]).encode("acb") == [vocab["ab"]]
    assert BPETokenizer(vocab, [("a", "b")], unknown=0).encode("acb") == [vocab["a"], 0, vocab["b"]]


def test_the_embedded_vocabulary_is_run_by_tiktoken_and_both_agree() -> None:
    vocab, merges = json.loads((MINI_FOLDER / "vocab.json").read_text()), read_merges(MINI_FOLDER / "merges.txt")
    assert any_pair_is_listed(vocab, merges)
    exact, fast = PairMerges(vocab, merges, SPLIT_PATTERN), BPETokenizer(vocab, merges)
    for text in (*TEXTS, Path(__file__).read_text(), "half \ud83d"):
        assert exact.encode(text) == fast.encode(text)


@pytest.mark.skipif(not OFFICIAL.exists(), reason="needs the official files in ../shared/data beside the checkout")
def test_gpt2s_own_vocabulary_is_run_by_tiktoken() -> None:
    folder = OFFICIAL / "gpt2-bpe"
    assert any_pair_is_listed(json.loads((folder / "encoder.json").read_text()), read_merges(folder / "vocab.bpe"))


def test_a_word_of_a_hundred_thousand_letters_is_no_trouble() -> None:
    merges = [("b", "c"), ("a", "b"), ("ab", "c")]
    assert not any_pair_is_listed(vocabulary(merges), merges)
    assert len(BPETokenizer(vocabulary(merges), merges).encode("abc" * 33_000)) == 66_000
