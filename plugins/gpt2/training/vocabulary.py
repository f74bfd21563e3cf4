"""A byte-level BPE vocabulary learnt from texts, for a model that begins from nothing.

The algorithm is that of Sennrich et al. (arXiv 1508.07909): the commonest pair of neighbours becomes a token, again and
again. Words are counted once, and a merge touches only the words that have its pair. Of pairs that are equally common
the one whose parts were learnt first wins, as in the ``tokenizers`` library, so the vocabulary is the same.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import regex

from plugins.gpt2.checkpoint.tokenizer.bpe import END_OF_TEXT, SPLIT_PATTERN
from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET, to_letters
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import MERGES_NAME, VOCAB_NAME
from townhall_bot.machine.files import write_atomically

Merges = list[tuple[str, str]]
Pair = tuple[int, int]

SMALLEST, LARGEST = 512, 65_536
MOST_WORDS = 1_000_000
"""Different words that are counted at a time; of more, those seen once are forgotten."""


def learn(texts: Iterable[str], size: int, on_merge: Callable[[int], None] = lambda done: None) -> Merges:
    """Return the merges of a vocabulary of ``size`` entries, the end of text among them, or fewer."""
    return _merge(_count(texts), size - len(BYTE_ALPHABET) - 1, on_merge)


def vocab_of(merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return token → id: the bytes, the merges in their order, the end of text."""
    tokens = [*BYTE_ALPHABET, *dict.fromkeys(left + right for left, right in merges), END_OF_TEXT]
    return {token: number for number, token in enumerate(tokens)}


def write_vocabulary(folder: Path, merges: Sequence[tuple[str, str]]) -> None:
    """Write ``vocab.json`` and ``merges.txt`` as Hugging Face does. Raises OSError."""
    with write_atomically(folder / VOCAB_NAME) as file:
        file.write(json.dumps(vocab_of(merges), ensure_ascii=False).encode())
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges), ""]
    with write_atomically(folder / MERGES_NAME) as file:
        file.write("\n".join(lines).encode())


def _count(texts: Iterable[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    split = regex.compile(SPLIT_PATTERN)
    for text in texts:
        words.update(split.findall(text))
        if len(words) > MOST_WORDS:
            words = Counter({word: count for word, count in words.items() if count > 1})
    return words


def _merge(words: Counter[str], count: int, on_merge: Callable[[int], None]) -> Merges:
    letters = list(BYTE_ALPHABET)
    number = {letter: n for n, letter in enumerate(letters)}
    spelt = [[number[letter] for letter in to_letters(word.encode())] for word in words]
    counts = list(words.values())
    pairs: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for place, word in enumerate(spelt):
        for pair in pairwise(word):
            pairs[pair] += counts[place]
            places[pair].add(place)
    heap = [(-common, pair) for pair, common in pairs.items()]
    heapq.heapify(heap)
    merges: Merges = []
    while heap and len(merges) < count:
        negative, pair = heapq.heappop(heap)
        if -negative != pairs[pair]:  # it became rarer since
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        merges.append((letters[pair[0]], letters[pair[1]]))
        whole = letters[pair[0]] + letters[pair[1]]
        made = number.setdefault(whole, len(letters))
        if made == len(letters):
            letters.append(whole)
        grown: set[Pair] = set()
        for place in places.pop(pair):
            grown |= _join(spelt[place], pair, made, counts[place], pairs, places, place)
        del pairs[pair]
        for other in grown:
            heapq.heappush(heap, (-pairs[other], other))
        on_merge(len(merges))
    return merges


def _join(
    word: list[int],
    pair: Pair,
    made: int,
    count: int,
    pairs: Counter[Pair],
    places: defaultdict[Pair, set[int]],
    place: int,
) -> set[Pair]:
    """Join a pair wherever it is in a word, keep the counts of its neighbours, and return the pairs that became new."""
    before = list(pairwise(word))
    at = 0
    while at < len(word) - 1:
        if (word[at], word[at + 1]) == pair:
            word[at : at + 2] = [made]
        at += 1
    after = list(pairwise(word))
    for old in before:
        pairs[old] -= count
    for new in after:
        pairs[new] += count
        places[new].add(place)
    return {new for new in after if made in new}
