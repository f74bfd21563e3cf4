"""Who is next: servers take turns, and inside a server its members do. One member's ten requests hold back nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """A queue with two rings of turns. Small (a host bounds it), so plain loops will do."""

    def __init__(self) -> None:
        # Dicts keep insertion order: the first guild, and its first member, have the next turn.
        self._guilds: dict[Hashable, dict[Hashable, deque[Item]]] = {}

    def __len__(self) -> int:
        return sum(len(items) for members in self._guilds.values() for items in members.values())

    def push(self, guild: Hashable, member: Hashable, item: Item) -> None:
        """Add at the end of this member's own requests."""
        self._guilds.setdefault(guild, {}).setdefault(member, deque()).append(item)

    def remove(self, item: Item) -> bool:
        """Take ``item`` out; return whether it was there. Nobody loses a turn."""
        for guild, members in self._guilds.items():
            for member, items in members.items():
                if item in items:
                    items.remove(item)
                    self._drop_empty(guild, member)
                    return True
        return False

    def pop(self, may_go: Callable[[Item], bool] = lambda item: True) -> Item | None:
        """Take the next item that ``may_go``, or None. Its member and guild go to the end of their rings.

        A member's requests keep their order: behind one that may not go, the same member's others wait too.
        """
        for guild, members in self._guilds.items():
            for member, items in members.items():
                if may_go(items[0]):
                    item = items.popleft()
                    self._guilds[guild] = members = {key: members[key] for key in members if key != member}
                    if items:
                        members[member] = items
                    del self._guilds[guild]
                    if members:
                        self._guilds[guild] = members
                    return item
        return None

    def order(self) -> list[Item]:
        """Return everything in the order of its turns, were each able to go."""
        return _in_turns(_in_turns(members.values()) for members in self._guilds.values())

    def _drop_empty(self, guild: Hashable, member: Hashable) -> None:
        members = self._guilds[guild]
        if not members[member]:
            del members[member]
        if not members:
            del self._guilds[guild]


def _in_turns(rings: Iterable[Iterable[Item]]) -> list[Item]:
    """Return the first of each, then the second of each, and so on."""
    turns = deque(iter(ring) for ring in rings)
    result = []
    while turns:
        turn = turns.popleft()
        for item in turn:  # one, where there is one left
            result.append(item)
            turns.append(turn)
            break
    return result
