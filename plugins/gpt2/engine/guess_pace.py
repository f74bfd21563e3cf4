"""Whether guessing pays for one text, from how its guesses went."""

from __future__ import annotations

from dataclasses import dataclass

BACKOFF = 24
"""Tokens to wait before a text that guessed badly may try again; twice as many each further time."""


@dataclass(slots=True)
class GuessPace:
    """Pauses a text's guesses while they gain nothing.

    ``right`` is the running mean of right guesses per attempt and tells at first what is hoped for; ``memory`` is how
    much of it each attempt leaves, ``hope`` how far above what would pay it starts after a pause.
    """

    right: float
    memory: float = 0.7
    hope: float = 0.0
    first_backoff: int = BACKOFF
    backoff: int = 0
    wait_until: int = 0
    """Length of the text at which to try again."""
    tried: int = 0
    """Attempts since the last pause."""

    def __post_init__(self) -> None:
        """Begin with the first pause."""
        self.backoff = self.first_backoff

    def record(self, right: float, length: int, worth: float) -> None:
        """Note that an attempt on a text of ``length`` tokens guessed ``right`` of them; ``worth`` would pay."""
        self.right = self.memory * self.right + (1 - self.memory) * right
        self.tried += 1
        if self.right < worth:
            self.tried = 0
            self.wait_until, self.right = length + self.backoff, worth + self.hope
            self.backoff *= 2
        elif right > 1:
            self.backoff = self.first_backoff
