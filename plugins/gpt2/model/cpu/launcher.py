"""Launches the C kernels of this folder on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from tinygrad import Tensor, UOp, dtypes

from plugins.gpt2.model import device
from plugins.gpt2.model.cache.page_memory import zeros
from plugins.gpt2.model.constants import Products, Weights
from plugins.gpt2.model.cpu import int_attention, int_products, kernels, quantised_rows
from plugins.gpt2.model.cpu.attention import attention
from plugins.gpt2.model.cpu.instructions import Instructions
from plugins.gpt2.model.kernels import attended_blocks
from plugins.gpt2.model.kv_cache import KVCache
from plugins.gpt2.model.launcher import Matrix, Norm
from plugins.gpt2.model.layout import NATIVE

SLICES_PER_THREAD = 8
"""So many slices of a product fall to each thread: a thread that the system stopped holds back only a small one."""
MOST_BLOCKS = 8
"""A slice has no more blocks than this, for the same reason: a head has hundreds."""
SLICES_OF_COPIES = 2
"""So many slices a thread where every slice first copies its part of x."""


class CLauncher:
    """A :class:`~plugins.gpt2.model.launcher.Launcher` for ``threads`` threads and vectors of ``vector_bits``.

    With ``instructions`` all matrices are int8 or int4, in the layout that those want, and are multiplied in integers:
    what comes before a product ends in quantised rows, bytes (B, row), instead of fp32. ``grouped``: they are int4.
    """

    def __init__(
        self,
        threads: int,
        vector_bits: int,
        where: str,
        instructions: Instructions | None = None,
        *,
        grouped: bool = False,
    ) -> None:
        self.threads, self.vector_bits, self.where, self.instructions = threads, vector_bits, where, instructions
        self.grouped = grouped
        self.layout = NATIVE if instructions is None else replace(NATIVE, depth=instructions.depth)
        self._counter = zeros((16,), np.dtype(np.int32))
        self._arrived = device.place(self._counter, where)

    @property
    def cached(self) -> Weights:
        """How keys and values are kept, by default: see :class:`~plugins.gpt2.model.launcher.Launcher`."""
        return "fp16" if self.instructions is None else "int8"

    @property
    def products(self) -> Products:
        """What multiplies here."""
        return "fp32" if self.instructions is None else self.instructions.name

    def _run(self, name: str, source: str, slices: int, out: Tensor, *inputs: Tensor, outputs: int = 1) -> Tensor:
        """Launch into ``out`` and return it; further outputs are the first of ``inputs``."""

        def program(*arguments: UOp) -> UOp:
            return device.c_program(name, source, arguments, outputs=outputs, slices=slices)

        kernel: Callable[..., UOp] = program
        return device.run_kernel(out, *inputs, kernel=kernel)

    def _slices(self, blocks: int) -> int:
        """Return how many slices a product of so many blocks has."""
        return min(blocks, max(self.threads * SLICES_PER_THREAD, -(-blocks // MOST_BLOCKS)))

    def _floats(self, *shape: int) -> Tensor:
        return Tensor.empty(*shape, dtype=dtypes.float32, device=self.where)

    def _rows(self, count: int, k: int) -> Tensor:
        """Return new quantised rows of ``k``."""
        return Tensor.empty(count, quantised_rows.row_bytes(k), dtype=dtypes.int8, device=self.where)

    def embed(self, wte: Matrix, wpe: Tensor, inputs: Tensor) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        positions, width = (int(size) for size in wpe.shape)
        slots, stride = int(inputs.shape[1]), self.layout.padded(width)
        source = kernels.embed(
            slots=slots,
            stride=stride,
            width=width,
            positions=positions,
            weights=wte.weights,
            depth=self.layout.depth,
        )
        scale = () if wte.scale is None else (wte.scale,)
        return self._run("embed", source, slots, self._floats(slots, stride), inputs, wte.weight, wpe, *scale)

    def layer_norm(self, norm: Norm, x: Tensor, wanted: Tensor | None) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        source = kernels.layer_norm(
            stride=int(x.shape[1]),
            width=norm.width,
            epsilon=norm.epsilon,
            gathered=wanted is not None,
            instructions=self.instructions,
            grouped=self.grouped,
        )
        picked = () if wanted is None else (wanted,)
        count = int(x.shape[0] if wanted is None else wanted.shape[0])
        out = self._floats(count, norm.width) if self.instructions is None else self._rows(count, norm.width)
        return self._run("layer_norm", source, count, out, x, norm.weight, norm.bias, *picked)

    def linear(self, linear: Matrix, x: Tensor, residual: Tensor | None) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        if self.instructions is not None:
            return self._integer_product(self.instructions, linear, x, residual)
        slots, stride = (int(size) for size in x.shape)
        tile = kernels.tile_for(slots, self.vector_bits)
        slices = self._slices(linear.blocks)
        if tile.slots >= kernels.COPIED:
            slices = min(linear.blocks, self.threads * SLICES_OF_COPIES)
        source = kernels.matmul(
            linear.name,
            slots=slots,
            stride=stride,
            k=linear.inputs,
            blocks=linear.blocks,
            slices=slices,
            weights=linear.weights,
            tile=tile,
            biased=linear.bias is not None,
            residual=residual is not None,
            activation=None if linear.activation == "none" else linear.activation,
        )
        beside = () if residual is None else (residual,)
        out = self._floats(slots, linear.blocks * self.layout.lanes)
        return self._run(linear.name, source, slices, out, x, *linear.operands, *beside)

    def _integer_product(
        self, instructions: Instructions, linear: Matrix, x: Tensor, residual: Tensor | None
    ) -> Tensor:
        slots, width = int(x.shape[0]), linear.blocks * self.layout.lanes
        slices = self._slices(linear.blocks)
        source = int_products.matmul(
            linear.name,
            instructions=instructions,
            slots=slots,
            k=linear.inputs,
            blocks=linear.blocks,
            slices=slices,
            biased=linear.bias is not None,
            residual=residual is not None,
            activation=None if linear.activation == "none" else linear.activation,
            quantised=linear.feeds_product,
            grouped=linear.weights == "int4",
            rows_grouped=self.grouped,
            floor=linear.floor if linear.feeds_product else None,
            of_bytes=linear.floor is not None and not linear.feeds_product,
        )
        made, operands = self._floats(slots, width), (*linear.operands, *(() if residual is None else (residual,)))
        if not linear.feeds_product:
            return self._run(linear.name, source, slices, made, x, *operands)
        out = self._rows(slots, width)
        return self._run(linear.name, source, slices, out, made, self._arrived, x, *operands, outputs=3)

    def attention(self, cache: KVCache, qkv: Tensor, inputs: Tensor) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        slots, stride = (int(size) for size in qkv.shape)
        width = cache.heads * cache.size
        made, read = self._floats(slots, width), (cache.keys, cache.values, qkv, inputs)
        shape = {"slots": slots, "stride": stride, "heads": cache.heads, "size": cache.size, "blocks": cache.blocks}
        if self.instructions is None:
            source = attention(**shape, cache=cache.weights, vector_bits=self.vector_bits)
            return self._run("attention", source, cache.heads, made, *read, outputs=3)
        source = int_attention.attention(**shape, instructions=self.instructions, grouped=self.grouped)
        out = self._rows(slots, width)
        return self._run("attention", source, cache.heads, out, made, self._arrived, *read, outputs=5)

    def attended(self, cache: KVCache, last: int) -> UOp:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`; these kernels read each slot's own position instead."""
        return attended_blocks(self.layout.positions, cache.blocks, 1)
