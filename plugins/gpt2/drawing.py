"""What a model may bring to draw its tokens by compiled code: the seam between the sampler, a draft's guesses and that.

A model that brings none has its tokens drawn in NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]


class SeenTokens:
    """The tokens of a text, each once, in memory that compiled code reads."""

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self._known = set(tokens)
        self.count = len(self._known)
        self._room = np.zeros(self.count + 256, np.int32)
        self._room[: self.count] = sorted(self._known)
        self.address: int = self._room.ctypes.data

    @property
    def ids(self) -> npt.NDArray[np.int32]:
        """The tokens (n,), in no order."""
        return self._room[: self.count]

    def add(self, token: int) -> None:
        """Add one token; whoever reads the memory may add as many as are guessed at a time behind it."""
        if token in self._known:
            return
        self._known.add(token)
        if self.count + 64 > len(self._room):
            self._room = np.concatenate((self._room, np.zeros_like(self._room)))
            self.address = self._room.ctypes.data
        self._room[self.count] = token
        self.count += 1

    def copy(self) -> SeenTokens:
        """Return a set of its own."""
        return SeenTokens(self._known)


@dataclass(frozen=True, slots=True)
class Filters:
    """How tokens are drawn. ``numbers`` fp64 (4,): penalty, 1 / temperature (0: the likeliest), top-p and min-p."""

    numbers: npt.NDArray[np.float64]
    top_k: int


class Drawing(Protocol):
    """Draws tokens by compiled code, as ``engine.sampling`` does."""

    def token(self, logits: Logits, seen: SeenTokens, filters: Filters, key: int) -> tuple[int, float]:
        """Return the next token and how sure it is, by ``logits`` (vocab,), fp32 in one piece.

        They are overwritten. ``key`` has 64 bits and is where the random numbers begin. The token is -1 where the
        logits are not finite. How sure the likeliest one is, is told where min-p is the only filter.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Promise:
    """What a guess is worth, in steps of the model that it is made for; all fp32, and changed while it is learnt."""

    edges: npt.NDArray[np.float32]
    """(n,): between these lie guesses of which the draft is as sure, and which are believed alike."""
    trust: npt.NDArray[np.float32]
    """(n + 1,): how likely such a guess is right."""
    costs: npt.NDArray[np.float32]
    """(m + 1,): what writing a token costs, then what checking 1, 2… m of them does."""
    least: float
    """Where all of it is right less often than this it ends."""
    hope: float
    """How likely the next token is right, before it is known; a guess ends where that would not pay for it."""


class Guess(NamedTuple):
    """What a draft wrote, how sure it is of each token, and how many of them promise to pay."""

    tokens: list[int]
    sure: list[float]
    kept: int


class Guessing(Protocol):
    """Has a model write a few tokens on in row 0 by compiled code, with the random numbers of another's sampler."""

    def guess(
        self,
        pending: Sequence[int],
        position: int,
        most: int,
        seen: SeenTokens,
        filters: Filters,
        keys: npt.NDArray[np.uint64],
        promise: Promise,
    ) -> Guess:
        """Read ``pending`` at ``position``…, and write up to ``most`` tokens, drawn as ``Drawing`` does.

        ``pending`` are 1 to 16 tokens, ``most`` is 1 to 15; ``keys`` (at least ``most``,) are where each one's random
        numbers begin.
        Raises FloatingPointError where the logits are not finite.
        """
        ...
