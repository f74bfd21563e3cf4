"""What is measured of one request while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.protocol import Timing


@dataclass(slots=True)
class RequestStats:
    """Moments in seconds of one monotonic clock; ``submitted`` is when the person asked."""

    submitted: float
    started: float | None = None
    first_token: float | None = None
    last_token: float | None = None
    prefill_s: float = 0.0
    """Time in this request's own prefill slices."""
    prefilled: int = 0
    new_tokens: int = 0
    told_tokens: int = 0
    """How many of them the listener knows of."""

    def token(self, now: float) -> None:
        """Note one more new token."""
        if self.first_token is None:
            self.first_token = now
        self.last_token = now
        self.new_tokens += 1

    def tell_tokens(self) -> int:
        """Return how many tokens were chosen since this was asked before."""
        told, self.told_tokens = self.told_tokens, self.new_tokens
        return self.new_tokens - told

    def timing(self, now: float, *, info: ModelInfo, prompt_tokens: int, seed: int) -> Timing:
        """Sum up, ``now`` being the end.

        ``queue_ms`` runs until the engine took the request, ``first_token_ms`` from there; the decode rate counts
        the tokens after the first over the time that they took, the steps of other requests in between included.
        """
        started = now if self.started is None else self.started
        first = now if self.first_token is None else self.first_token
        decode_s = 0.0 if self.last_token is None else self.last_token - first
        return Timing(
            queue_ms=(started - self.submitted) * 1000,
            first_token_ms=(first - started) * 1000,
            prefill_tok_s=self.prefilled / self.prefill_s if self.prefill_s > 0 else None,
            decode_tok_s=(self.new_tokens - 1) / decode_s if decode_s > 0 else None,
            total_ms=(now - self.submitted) * 1000,
            prompt_tokens=prompt_tokens,
            new_tokens=self.new_tokens,
            seed=seed,
            model=info.name,
            device=info.device,
            dtype=info.dtype,
        )
