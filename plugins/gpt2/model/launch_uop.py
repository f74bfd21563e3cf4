"""Launches the UOp kernels of ``kernels.py``, on any device of tinygrad."""

from __future__ import annotations

from tinygrad import Tensor, UOp, dtypes

from plugins.gpt2.model import device, kernels
from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.cpu.quantised_rows import GROUP
from plugins.gpt2.model.kv_cache import KVCache
from plugins.gpt2.model.launcher import Matrix, Norm
from plugins.gpt2.model.layout import Layout


class UOpLauncher:
    """Launches UOp kernels on ``where``, any device of tinygrad."""

    def __init__(self, layout: Layout, where: str) -> None:
        self.layout, self.where = layout, where

    def _empty(self, *shape: int) -> Tensor:
        return Tensor.empty(*shape, dtype=dtypes.float32, device=self.where)

    @property
    def cached(self) -> Weights:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        return "fp16"

    def embed(self, wte: Matrix, wpe: Tensor, inputs: Tensor) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        positions, width = (int(size) for size in wpe.shape)
        scale = () if wte.scale is None else (wte.scale,)
        kernel = kernels.embed(width, positions, self.layout, scaled=bool(scale))
        out = self._empty(int(inputs.shape[1]), self.layout.padded(width))
        return device.run_kernel(out, inputs, wte.weight, wpe, *scale, kernel=kernel)

    def layer_norm(self, norm: Norm, x: Tensor, wanted: Tensor | None) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        kernel = kernels.layer_norm(norm.width, norm.epsilon, self.layout, gathered=wanted is not None)
        picked = () if wanted is None else (wanted,)
        count = int(x.shape[0] if wanted is None else wanted.shape[0])
        return device.run_kernel(self._empty(count, norm.width), x, norm.weight, norm.bias, *picked, kernel=kernel)

    def linear(self, linear: Matrix, x: Tensor, residual: Tensor | None) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        slots = int(x.shape[0])
        shape = (slots, linear.blocks, self.layout.lanes)
        kernel = kernels.matmul(
            linear.name,
            linear.inputs,
            self.layout,
            scaled=linear.scale is not None,
            biased=linear.bias is not None,
            residual=residual is not None,
            activation=linear.activation,
            group=GROUP if linear.weights == "int4" else None,
        )
        beside = () if residual is None else (residual.reshape(shape),)
        out = device.run_kernel(self._empty(*shape), x, *linear.operands, *beside, kernel=kernel)
        return out.reshape(slots, linear.blocks * self.layout.lanes)

    def attention(self, cache: KVCache, qkv: Tensor, inputs: Tensor) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        heads, size, layout = cache.heads, cache.size, self.layout
        blocks = kernels.attended_blocks(layout.positions, cache.blocks)
        keys = device.run_kernel(cache.keys, qkv, inputs, kernel=kernels.write_keys(heads, size, layout))
        values = device.run_kernel(cache.values, qkv, inputs, kernel=kernels.write_values(heads, size, layout))
        slots = int(inputs.shape[1])
        shape = (slots, heads, cache.blocks, layout.positions)
        scoring = kernels.attention_scores(heads, size, layout, blocks)
        scores = device.run_kernel(self._empty(*shape), qkv, keys, inputs, kernel=scoring)
        weights = device.run_kernel(self._empty(*shape), scores, kernel=kernels.softmax(heads, layout, blocks))
        mixing = kernels.attention_mix(heads, size, layout, blocks)
        return device.run_kernel(self._empty(slots, heads * size), weights, values, inputs, kernel=mixing)

    def attended(self, cache: KVCache, last: int) -> UOp:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        return kernels.attended_blocks(self.layout.positions, cache.blocks, last // self.layout.positions + 1)
