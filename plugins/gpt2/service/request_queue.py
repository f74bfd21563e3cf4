"""Who waits and who runs: each one's place, the time until its turn, and who is next when a row is free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from plugins.gpt2.protocol import GenerationError, GenerationRequest, Queued
from plugins.gpt2.service.admission import Queue, check_share
from plugins.gpt2.service.fair_queue import FairQueue
from plugins.gpt2.service.request_state import Ticket
from plugins.gpt2.service.wait_estimate import Forecast
from plugins.gpt2.settings import GPT2Settings


class Line:
    """The queue, and the tickets that the engine has. Tells those who wait where they stand.

    ``clock`` is in seconds. ``rows_of`` returns how many requests a model takes at once, None where it is not loaded.
    """

    def __init__(
        self, settings: GPT2Settings, clock: Callable[[], float], rows_of: Callable[[str], int | None]
    ) -> None:
        self.running: dict[int, Ticket] = {}
        """What the engine has, by key."""
        self.forecast = Forecast(clock, lambda model: rows_of(model) or settings.rows)
        self._settings = settings
        self._clock = clock
        self._rows_of = rows_of
        self._queue: FairQueue[Ticket] = FairQueue()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    def check_share(self, request: GenerationRequest, opened: Iterable[Ticket]) -> None:
        """Raise :class:`Busy` where one more would be too many; ``opened`` are all that wait or run."""
        begins = self.forecast.begins(self._queue.order(), self.running.values())
        ends = [(ticket.request, self.forecast.ends(ticket, begins)) for ticket in opened]
        check_share(request, ends, Queue(len(self), min(begins.values(), default=0.0)), self._settings)

    def join(self, ticket: Ticket) -> None:
        """Let a ticket wait for its turn."""
        request = ticket.request
        # A direct message has no server: each of them takes turns like a server of its own.
        guild = request.guild_id if request.guild_id is not None else ("direct", request.user_id)
        self._queue.push(guild, request.user_id, ticket)

    def leave(self, ticket: Ticket) -> bool:
        """Let a ticket that waits go, and tell the others; return whether it was one."""
        waited = self._queue.remove(ticket)
        if waited:
            self.announce()
        return waited

    def next_ones(self) -> Iterator[Ticket]:
        """Yield those whose turn has come, as far as their models have free rows; they run from then on."""
        busy = Counter(ticket.request.model for ticket in self.running.values())

        def has_row(ticket: Ticket) -> bool:
            return busy[ticket.request.model] < (self._rows_of(ticket.request.model) or 0)

        while (ticket := self._queue.pop(has_row)) is not None:
            busy[ticket.request.model] += 1
            self.running[ticket.key] = ticket
            ticket.begun = self._clock()
            yield ticket

    def announce(self, *, again: bool = False) -> None:
        """Tell those who wait their place where it changed; ``again`` repeats it with a new estimate."""
        order = self._queue.order()
        begins = self.forecast.begins(order, self.running.values())
        for ahead, ticket in enumerate(order):
            if again or ticket.ahead != ahead:
                ticket.ahead = ahead
                ticket.put(Queued(ahead, begins[ticket.key] if self.forecast.knows(ticket) else None))

    def announce_loading(self, model: str) -> None:
        """Repeat the place of those who wait for ``model``: there is news of its loading."""
        for ticket in self._queue.order():
            if ticket.request.model == model and ticket.ahead is not None:
                ticket.put(Queued(ticket.ahead))  # the wait until it is there is not known

    def send_away(self, error: GenerationError, model: str | None = None) -> None:
        """End all who wait, or those who wait for ``model``."""
        for ticket in self._queue.order():
            if model in (None, ticket.request.model):
                self._queue.remove(ticket)
                ticket.put(error)
