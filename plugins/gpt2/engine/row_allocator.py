"""Which rows of the KV cache are free, and what the free ones still know."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile


class RowAllocator:
    """Hands out rows. A row that is given back keeps its keys and values: a text that begins alike starts further on.

    A server's members often send the same opening (a persona, a template, "Continue" of an answer); its prefill is
    then not done again.
    """

    def __init__(self, count: int) -> None:
        self._known: dict[int, list[int]] = {row: [] for row in range(count)}  # free rows, the longest unused first

    @property
    def free(self) -> int:
        """How many rows may be taken."""
        return len(self._known)

    def allocate(self, tokens: Sequence[int]) -> tuple[int, int]:
        """Return the free row that knows most of ``tokens`` from the start, and how many of them it knows.

        The last token is never among them: its logits are wanted, so it has to be read.
        """
        usable = tokens[:-1]
        shared = {row: common_prefix(known, usable) for row, known in self._known.items()}
        row = max(shared, key=lambda candidate: shared[candidate])
        if shared[row] == 0:  # an empty row, or the longest unused: what others might still want stays
            row = next((empty for empty, known in self._known.items() if not known), next(iter(self._known)))
        del self._known[row]
        return row, shared[row]

    def release(self, row: int, tokens: Sequence[int]) -> None:
        """Free a row whose cache holds ``tokens``."""
        self._known[row] = list(tokens)

    def invalidate(self) -> None:
        """Trust no row's cache any more: the model was rebuilt."""
        for known in self._known.values():
            known.clear()


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many items two sequences share from the start."""
    size = min(len(one), len(other))
    for nearly in range(size, max(size - 4, 0), -1):  # mostly all but a few, and lists are compared at once
        if one[:nearly] == other[:nearly]:
            return nearly
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
