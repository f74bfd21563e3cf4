"""Somebody who asks for a text and listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from plugins.gpt2.protocol import (
    Event,
    Finished,
    GenerationError,
    GenerationRequest,
    Queued,
    Started,
    Text,
    TextGenerator,
)


class Asker:
    """One request in a task of its own, and what it has got so far."""

    def __init__(self, generator: TextGenerator, request: GenerationRequest) -> None:
        self.events: list[Event] = []
        self.error: GenerationError | None = None
        self._news = asyncio.Event()
        self.task = asyncio.create_task(self._listen(generator, request))

    async def _listen(self, generator: TextGenerator, request: GenerationRequest) -> None:
        try:
            async for event in generator.generate(request):
                self.events.append(event)
                self._news.set()
        except GenerationError as error:
            self.error = error
        finally:
            self._news.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def done(self) -> Asker:
        async with asyncio.timeout(20):
            await self.task
        return self

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    @property
    def text(self) -> str:
        return "".join(event.piece for event in self.events if isinstance(event, Text))

    @property
    def queued(self) -> list[Queued]:
        return [event for event in self.events if isinstance(event, Queued)]

    @property
    def places(self) -> list[int]:
        return [event.ahead for event in self.queued]

    @property
    def started(self) -> bool:
        return any(isinstance(event, Started) for event in self.events)

    @property
    def finished(self) -> Finished | None:
        return next((event for event in self.events if isinstance(event, Finished)), None)

    @property
    def refusal(self) -> str:
        """The name of the text that says why it failed."""
        assert self.error is not None, f"it did not fail: {self.events}"
        return self.error.message.name
