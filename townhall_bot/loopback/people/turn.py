"""What somebody who used a command or pressed a button sees of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from townhall_bot.loopback.world.enums import ResponseType
from townhall_bot.loopback.world.state import Channel, Interaction, Message, Payload

if TYPE_CHECKING:
    from townhall_bot.loopback.people.people import Person
    from townhall_bot.loopback.world.world import World


class Turn:
    """One interaction, from the side of the person who started it."""

    def __init__(self, world: World, person: Person, interaction: Interaction) -> None:
        self._world = world
        self.person = person
        self.interaction = interaction

    @property
    def interaction_id(self) -> int:
        """The interaction's id, as the bot knows it."""
        return self.interaction.id

    @property
    def channel(self) -> Channel:
        """Where it happened."""
        return self.interaction.channel

    @property
    def response(self) -> ResponseType | None:
        """The kind of the first answer, None before it."""
        return self.interaction.response_type

    @property
    def ack_seconds(self) -> float | None:
        """Seconds until the first answer, by the server's clock; None before it."""
        at = self.interaction.acknowledged_at
        return None if at is None else at - self.interaction.created_at

    @property
    def failed(self) -> bool:
        """Discord shows "The application did not respond"."""
        return self._world.is_overdue(self.interaction)

    @property
    def messages(self) -> list[Message]:
        """The answer and its follow-ups, without deleted ones; the pressed message itself where it was updated."""
        original = self.interaction.original
        everything = ([original] if original is not None else []) + self.interaction.followups
        return [message for message in everything if not message.deleted]

    @property
    def message(self) -> Message:
        """The first of the messages; raises LookupError where there is none."""
        if not self.messages:
            raise LookupError(f"no answer is there yet: {self}")
        return self.messages[0]

    @property
    def modal(self) -> Payload | None:
        """The form that the answer opened."""
        return self.interaction.modal

    @property
    def text(self) -> str:
        """What the channel shows: contents, embeds, and a line for each file."""
        return "\n".join(message.text for message in self.messages if message.text)

    async def acknowledged(self, timeout: float = 5) -> ResponseType:  # noqa: ASYNC109 - a test wants its own limit and message
        """Wait for the first answer and return its kind; raises TimeoutError with what there is."""
        await self.until(lambda turn: turn.response is not None, timeout)
        assert self.response is not None  # the condition just awaited
        return self.response

    async def until(self, condition: Callable[[Turn], object], timeout: float = 30) -> Turn:  # noqa: ASYNC109 - a test wants its own limit and message
        """Wait until ``condition(turn)`` is true, looking at every change; returns the turn.

        Raises TimeoutError, with the last state, after ``timeout`` seconds of real time.
        """
        try:
            await self._world.until(lambda: condition(self), timeout)
        except TimeoutError:
            raise TimeoutError(f"not so after {timeout:g} s: {self}") from None
        return self

    def __str__(self) -> str:
        name = self.interaction.data.get("name") or self.interaction.data.get("custom_id")
        state = f"{self.person.name}'s {name}: "
        if self.response is None:
            return state + ("the application did not respond" if self.failed else "no answer yet")
        lines = [f"answered with {self.response.name} after {self.ack_seconds:.2f} s"]
        for message in self.messages:
            marks = [word for word in ("thinking", "ephemeral") if getattr(message, word)]
            buttons = [str(button.get("label")) for button in message.buttons]
            notes = ", ".join([*marks, f"{message.edits} edits", *([f"buttons {buttons}"] if buttons else [])])
            lines.append(f"  [{notes}] {message.text[:500]}")
        return state + "\n".join(lines)

    __repr__ = __str__
