"""Byte-pair merges by the rule of the ``tokenizers`` library: only the pairs that the list of merges names are joined.

tiktoken joins any two pieces whose bytes together are a token. For vocabularies that training made the two rules give
the same, and tiktoken is many times faster; :func:`any_pair_is_listed` tells whether they do. For others, as people
extend or repair them by hand, :class:`PairMerges` follows the list.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Mapping, Sequence

import regex

from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET, to_letters

CACHED_WORDS = 10_000
"""How many words' tokens are remembered: texts repeat their words, and merging is slow in Python."""

Merges = Sequence[tuple[str, str]]


def any_pair_is_listed(vocab: Mapping[str, int], merges: Merges) -> bool:
    """Tell whether joining any two pieces that make a token, as tiktoken does, never differs from following the list.

    That is so where every token, read alone, comes back as itself: two pieces that make a token then are the pair of
    its merge, because within the token's span the merges ran as they run in the token alone. A token comes back if its
    two halves do and no merge across their border comes first; only the pieces that end the left half and begin the
    right one, each for as long as it lasts, can be joined across it.
    """
    if not all(letter in vocab for letter in BYTE_ALPHABET):
        return False
    ranks = {letter: rank for rank, letter in enumerate(BYTE_ALPHABET)}
    lefts, rights = [-1] * len(ranks), [-1] * len(ranks)  # the halves of each token, by rank
    listed: dict[int, int] = {}  # a pair as one number → its rank; 50,000 tuples would cost as much as all the rest
    width = len(ranks) + len(merges)
    for rank, (left_letters, right_letters) in enumerate(merges, len(ranks)):
        left, right = ranks.get(left_letters, -1), ranks.get(right_letters, -1)
        if left < 0 or right < 0 or ranks.setdefault(left_letters + right_letters, rank) != rank:
            return False
        # A piece lasts until the merge that makes the next larger one of its half. Of equal merges the leftmost comes
        # first: the left half's own before one across the border.
        end, end_until = left, rank
        while end >= 0:
            begin, begin_until = right, rank
            while begin >= 0:
                found = listed.get(end * width + begin, rank)
                if found < end_until and found <= begin_until:
                    return False
                begin, begin_until = lefts[begin], begin
            end, end_until = rights[end], end
        listed[left * width + right] = rank
        lefts.append(left)
        rights.append(right)
    return True


class PairMerges:
    """Cuts text into words and joins the letters of each by the listed pairs. Safe to use from several threads."""

    def __init__(
        self, vocab: Mapping[str, int], merges: Merges, split_pattern: str, *, unknown: int | None = None
    ) -> None:
        """``vocab`` has both halves and the whole of each of ``merges``; ``unknown`` stands for a byte without a token.

        Without it such a byte is left out, as ``tokenizers`` does.
        """
        self._letters = {letter: vocab.get(letter, unknown) for letter in BYTE_ALPHABET}
        self._merges = {
            (vocab[left], vocab[right]): (rank, vocab[left + right]) for rank, (left, right) in enumerate(merges)
        }
        self._split = regex.compile(split_pattern)
        self._word = functools.lru_cache(CACHED_WORDS)(self._merged)

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``; half of a surrogate pair is read as the replacement character, as in tiktoken."""
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return [token for match in self._split.finditer(whole) for token in self._word(match.group())]

    def _merged(self, word: str) -> tuple[int, ...]:
        """Return the ids of one word: the lowest merge first, of equal ones the leftmost."""
        known = (self._letters[letter] for letter in to_letters(word.encode()))
        tokens: list[int | None] = [token for token in known if token is not None]
        following = [*range(1, len(tokens)), -1]
        before = list(range(-1, len(tokens) - 1))
        queue: list[tuple[int, int, int]] = []

        def consider(at: int) -> None:
            if at < 0 or following[at] < 0:
                return
            left, right = tokens[at], tokens[following[at]]
            if left is not None and right is not None and (merge := self._merges.get((left, right))) is not None:
                heapq.heappush(queue, (merge[0], at, merge[1]))

        for at in range(len(tokens)):
            consider(at)
        while queue:
            _, at, made = heapq.heappop(queue)
            left, after = tokens[at], following[at]
            if left is None or after < 0:
                continue
            right = tokens[after]
            assert right is not None  # what follows has not been joined to anything
            if self._merges.get((left, right), (0, -1))[1] != made:
                continue  # other pieces stand there by now
            tokens[at], tokens[after] = made, None
            following[at] = following[after]
            if following[at] >= 0:
                before[following[at]] = at
            consider(at)
            consider(before[at])
        return tuple(token for token in tokens if token is not None)
