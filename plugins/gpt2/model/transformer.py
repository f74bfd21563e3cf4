"""The whole network: tokens in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinygrad import Tensor, dtypes

from plugins.gpt2.model import device, kernels
from plugins.gpt2.model.layer_norm import LayerNorm
from plugins.gpt2.model.layout import Layout
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
    layout: Layout

    def __call__(self, inputs: Tensor, wanted: Tensor) -> Tensor:
        """Return logits (O, V padded) of the slots that ``wanted`` int32 (O,) names.

        inputs int32 (3, B): tokens, positions, rows. Keys and values of every slot are written to the cache.
        """
        positions, width = int(self.wpe.shape[0]), self.wte.inputs
        scale = () if self.wte.scale is None else (self.wte.scale,)
        kernel = kernels.embed(width, positions, self.layout, scaled=bool(scale))
        padded = self.layout.padded(width)
        out = Tensor.empty(int(inputs.shape[1]), padded, dtype=dtypes.float32, device=self.wte.where)
        x = device.run_kernel(out, inputs, self.wte.weight, self.wpe, *scale, kernel=kernel)
        for block in self.blocks:
            x = block(x, inputs)
        return self.head(self.ln_f(x, wanted))
