"""Changes of the state, and how to hear of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from townhall_bot.loopback.world.state import Channel, Interaction, Member, Message, Role, User

if TYPE_CHECKING:
    from townhall_bot.loopback.world.guild import Guild

ChangeKind = Literal[
    "message_created",
    "message_edited",
    "message_deleted",
    "interaction_created",
    "interaction_answered",
    "interaction_overdue",
    "commands_registered",
    "channel_created",
    "channel_updated",
    "channel_deleted",
    "role_created",
    "guild_joined",
    "guild_left",
    "member_joined",
    "member_left",
    "member_updated",
    "language_changed",
    "typing",
    "reaction_added",
    "reaction_removed",
    "bot_connected",
    "bot_disconnected",
]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened. Which fields are set follows from ``kind``."""

    kind: ChangeKind
    guild: Guild | None = None
    channel: Channel | None = None
    message: Message | None = None
    interaction: Interaction | None = None
    member: Member | None = None
    role: Role | None = None
    user: User | None = None
    emoji: str = ""


Listener = Callable[[Change], None]


class Observable:
    """Something whose changes others hear of, in the order they were made."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` at every change; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, change: Change) -> None:
        """Tell every listener of a change that has been made."""
        for listener in tuple(self._listeners):
            listener(change)

    async def until(self, condition: Callable[[], object], timeout: float) -> None:  # noqa: ASYNC109 - a test wants its own limit and message
        """Wait until ``condition`` is true, looking again at every change.

        Raises TimeoutError after ``timeout`` seconds of real time.
        """
        changed = asyncio.Event()
        end = self.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    changed.clear()
                    await changed.wait()
        finally:
            end()
