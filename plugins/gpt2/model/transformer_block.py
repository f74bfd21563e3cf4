"""One block: attention and feed-forward, each behind a layer norm and beside a residual path."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad import Tensor

from plugins.gpt2.model.attention import Attention
from plugins.gpt2.model.feed_forward import FeedForward
from plugins.gpt2.model.layer_norm import LayerNorm


@dataclass(frozen=True, slots=True)
class TransformerBlock:
    """``x + attention(ln_1(x))``, then ``x + feed_forward(ln_2(x))``: GPT-2 normalises before, not after."""

    ln_1: LayerNorm
    attention: Attention
    ln_2: LayerNorm
    feed_forward: FeedForward

    def __call__(self, x: Tensor, inputs: Tensor) -> Tensor:
        """Return (B, E) from x (B, E); inputs int32 (3, B): tokens, positions, rows."""
        x = self.attention(self.ln_1(x), inputs, x)
        return self.feed_forward(self.ln_2(x), x)
