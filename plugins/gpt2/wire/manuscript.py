"""A text that may be written by several engines in turn: what there is of it, what is left, what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from plugins.gpt2.protocol import Event, Finished, FinishReason, GenerationRequest, Started, Text, Timing


class Manuscript:
    """A request's text so far, whoever wrote it. ``clock`` is in seconds; ``submitted`` is
    when it came to the line here, None where the line is elsewhere.

    Started is told once, and Finished measures the whole: tokens of all parts, and the time from the beginning.
    """

    def __init__(self, request: GenerationRequest, clock: Callable[[], float], submitted: float | None = None) -> None:
        self._request = request
        self._clock = clock
        self._queued_here = submitted is not None
        self._submitted = clock() if submitted is None else submitted
        self._started = False
        self._sent: float | None = None
        self._begun: float | None = None
        self._first: float | None = None
        self._latest: float | None = None
        self.text = ""
        self.tokens = 0
        self.moved = 0
        """How often it went on elsewhere after its first piece."""
        self._before = 0
        """The tokens that earlier engines wrote."""

    @property
    def rest(self) -> GenerationRequest:
        """The request for what is left; where nothing is, :meth:`whole` tells the end."""
        left = max(1, self._request.count - self.tokens)
        return replace(self._request, written=self._request.written + self.text, count=left)

    def lost(self) -> None:
        """Note that who wrote it is gone."""
        if self.text:
            self.moved += 1
        self._before = self.tokens

    def hear(self, event: Event) -> Event | None:
        """Take an event of who writes it; return what the asker hears of it, None for nothing."""
        if isinstance(event, Started):
            self._begun = self._begun if self._started else self._clock()
            first, self._started = not self._started, True
            return event if first else None
        if isinstance(event, Text):
            self._latest = self._clock()
            self._first = self._latest if self._first is None else self._first
            self.text += event.piece
            self.tokens += event.tokens
        if isinstance(event, Finished):
            if self.moved:
                return Finished(event.reason, self._summed(event.timing))
            if self._queued_here:
                return Finished(event.reason, self._waited(event.timing))
        return event

    def whole(self) -> Finished | None:
        """Return the end where all tokens are written and only that was lost; None where something is left."""
        return self.finished("length") if self.tokens >= self._request.count else None

    def finished(self, reason: FinishReason) -> Finished:
        """Return the end as far as it is known here, nobody else being left to tell it."""
        request, now = self._request, self._clock()
        timing = Timing(
            queue_ms=0.0,
            first_token_ms=0.0,
            prefill_tok_s=None,
            decode_tok_s=None,
            total_ms=(now - self._submitted) * 1000,
            prompt_tokens=0,
            new_tokens=0,
            seed=request.sampling.seed or 0,
            model=request.model,
            device="",
            dtype="",
        )
        return Finished(reason, self._summed(timing))

    def sent(self) -> None:
        """Note that an engine is asked now; what it waits there counts as waiting, too."""
        if self._sent is None:
            self._sent = self._clock()

    def _waited(self, timing: Timing) -> Timing:
        before_ms = 0.0 if self._sent is None else (self._sent - self._submitted) * 1000
        return replace(timing, queue_ms=timing.queue_ms + before_ms, total_ms=timing.total_ms + before_ms)

    def _summed(self, last: Timing) -> Timing:
        """Return the measurements of all parts, the last one's being those of its engine."""
        now = self._clock()
        begun = now if self._begun is None else self._begun
        first = begun if self._first is None else self._first
        written_s = 0.0 if self._latest is None else self._latest - first
        tokens = max(self.tokens, self._before + last.new_tokens)
        return replace(
            last,
            queue_ms=(begun - self._submitted) * 1000,
            first_token_ms=(first - begun) * 1000,
            decode_tok_s=tokens / written_s if written_s > 0 else None,
            total_ms=(now - self._submitted) * 1000,
            prompt_tokens=max(0, last.prompt_tokens - self._before),
            new_tokens=tokens,
            moved=self.moved + last.moved,
        )
