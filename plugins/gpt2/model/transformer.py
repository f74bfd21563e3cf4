"""The whole network: tokens in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinygrad import Tensor

from plugins.gpt2.model.launcher import Launcher
from plugins.gpt2.model.layer_norm import LayerNorm
from plugins.gpt2.model.linear import Linear
from plugins.gpt2.model.transformer_block import TransformerBlock


@dataclass(frozen=True, slots=True)
class Transformer:
    """Token and position embeddings, the blocks, a last layer norm and the head.

    ``wte`` is (V, E) kept as the Linear of its transpose; where the head is tied, both are the same object, so that the
    largest matrix is in memory once. ``wpe`` is (T, E).
    """

    wte: Linear
    wpe: Tensor
    blocks: Sequence[TransformerBlock]
    ln_f: LayerNorm
    head: Linear
    launcher: Launcher

    @property
    def bytes_per_token(self) -> int:
        """Bytes of weights that the step of a single slot reads; of the embeddings it reads but one row."""
        matrices = [self.head]
        for block in self.blocks:
            attention, forward = block.attention, block.feed_forward
            matrices += [attention.qkv, attention.projection, forward.expand, forward.contract]
        return sum(part.nbytes() for matrix in matrices for part in matrix.operands)

    def __call__(self, inputs: Tensor, wanted: Tensor) -> Tensor:
        """Return logits (O, V padded) of the slots that ``wanted`` int32 (O,) names.

        inputs int32 (3, B): tokens, positions, rows. Keys and values of every slot are written to the cache.
        """
        x = self.launcher.embed(self.wte, self.wpe, inputs)
        for block in self.blocks:
            x = block(x, inputs)
        return self.head(self.ln_f(x, wanted))
