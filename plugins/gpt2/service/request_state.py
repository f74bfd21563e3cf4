"""One request on the event loop's side: what its asker has not heard yet."""

from __future__ import annotations

import asyncio
from collections import deque

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.protocol import Event, Finished, GenerationError, GenerationRequest, Queued, Text, Timing


class RequestState:
    """A request with its key in the engine. Everything here happens on the event loop.

    ``submitted`` is in seconds of the service's clock. A slow listener costs no memory: news that it has not heard yet
    are joined or replaced.
    """

    def __init__(self, key: int, request: GenerationRequest, submitted: float) -> None:
        self.key = key
        self.request = request
        self.submitted = submitted
        self.begun: float | None = None
        """When the engine got it, in the same seconds; None while it waits."""
        self.expected_s: float | None = None
        """How long it would wait if nobody came in between, where it stood behind others of its own server."""
        self.ahead: int | None = None
        """The place in the queue that was told last."""
        self.text = ""
        """What the model wrote so far."""
        self.over = False
        """Whether the last event or an error was put."""
        self._news: deque[Event | GenerationError] = deque()
        self._arrived = asyncio.Event()

    def put(self, news: Event | GenerationError) -> None:
        """Tell the listener; what comes after the end is dropped."""
        if self.over:
            return
        if isinstance(news, Queued) and self._news and isinstance(self._news[-1], Queued):
            self._news[-1] = news  # first, for a long line tells it to thousands at once
            return
        self.over = isinstance(news, Finished | GenerationError)
        if isinstance(news, Text):
            self.text += news.piece
        last = self._news[-1] if self._news else None
        if isinstance(news, Text) and isinstance(last, Text):
            self._news[-1] = last + news
        else:
            self._news.append(news)
        self._arrived.set()

    async def get(self) -> Event:
        """Wait for the next event and return it; raise the error that was put."""
        while not self._news:
            self._arrived.clear()
            await self._arrived.wait()
        news = self._news.popleft()
        if isinstance(news, GenerationError):
            raise news
        return news

    def never_began(self, now: float, info: ModelInfo | None) -> Timing:
        """Return what was measured of a request that left the queue before its turn: how long it waited."""
        waited_ms = (now - self.submitted) * 1000
        return Timing(
            queue_ms=waited_ms,
            first_token_ms=0.0,
            prefill_tok_s=None,
            decode_tok_s=None,
            total_ms=waited_ms,
            prompt_tokens=0,
            new_tokens=0,
            seed=self.request.sampling.seed or 0,
            model=self.request.model,
            device=info.device if info else "",
            dtype=info.dtype if info else "",
        )
