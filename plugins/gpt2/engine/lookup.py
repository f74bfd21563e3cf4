"""Prompt lookup: guess the next tokens from what the same text said before, and check the guess in one step.

A text that repeats itself (a list, a name, a loop) is guessed right often, and a step that checks four tokens costs
little more than one that makes one. What is accepted is exactly what the sampler would have chosen one by one, so the
text does not change. See https://github.com/apoorvumang/prompt-lookup-decoding for the idea.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NGRAMS = (4, 3)
"""Lengths of the ending that is looked up, the longest first; shorter ones guess wrong too often to pay."""
WORTH = 0.6
"""Right guesses per attempt below which guessing stops paying: a checked step costs about half a step more."""
PATIENCE = 24
"""Tokens to wait before a text that guessed badly may try again."""


def guess(tokens: Sequence[int], most: int) -> list[int]:
    """Return up to ``most`` tokens that followed the same ending the last time; empty where it is new."""
    for length in NGRAMS:
        if len(tokens) <= length:
            continue
        ending = list(tokens[-length:])
        for start in range(len(tokens) - length - 1, -1, -1):
            if tokens[start + length - 1] == ending[-1] and list(tokens[start : start + length]) == ending:
                return list(tokens[start + length : start + length + most])
    return []


@dataclass(slots=True)
class Lookup:
    """Decides for one text whether guessing pays, from how its guesses went."""

    right: float = 1.0
    """Running mean of right guesses per attempt."""
    wait_until: int = 0
    """Length of the text at which to try again."""

    def draft(self, tokens: Sequence[int], most: int) -> list[int]:
        """Return a guess of up to ``most`` tokens, or nothing."""
        if most < 1 or len(tokens) < self.wait_until:
            return []
        return guess(tokens, most)

    def learn(self, right: int, length: int) -> None:
        """Note that an attempt on a text of ``length`` tokens guessed ``right`` of them."""
        self.right += 0.3 * (right - self.right)
        if self.right < WORTH:
            self.wait_until, self.right = length + PATIENCE, 1.0
