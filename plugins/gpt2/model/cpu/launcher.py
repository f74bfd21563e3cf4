"""Launches the C kernels of ``kernels.py`` on the CPU."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad import Tensor, UOp, dtypes

from plugins.gpt2.model import device
from plugins.gpt2.model.cpu import kernels
from plugins.gpt2.model.cpu.attention import attention
from plugins.gpt2.model.kernels import attended_blocks
from plugins.gpt2.model.kv_cache import KVCache
from plugins.gpt2.model.launcher import Matrix, Norm
from plugins.gpt2.model.layout import NATIVE

SLICES_PER_THREAD = 4
"""So many slices of a product fall to each thread: a thread that the system stopped holds back only a small one."""


class CLauncher:
    """A :class:`~plugins.gpt2.model.launcher.Launcher` for ``threads`` threads and vectors of ``vector_bits``."""

    def __init__(self, threads: int, vector_bits: int, where: str) -> None:
        self.layout, self.threads, self.vector_bits, self.where = NATIVE, threads, vector_bits, where

    def _run(
        self, name: str, source: str, slices: int, shape: tuple[int, ...], *inputs: Tensor, outputs: int = 1
    ) -> Tensor:
        """Launch into a new fp32 tensor and return it; further outputs are the first of ``inputs``."""
        out = Tensor.empty(*shape, dtype=dtypes.float32, device=self.where)

        def program(*arguments: UOp) -> UOp:
            return device.c_program(name, source, arguments, outputs=outputs, slices=slices)

        kernel: Callable[..., UOp] = program
        return device.run_kernel(out, *inputs, kernel=kernel)

    def embed(self, wte: Matrix, wpe: Tensor, inputs: Tensor) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        positions, width = (int(size) for size in wpe.shape)
        slots, stride = int(inputs.shape[1]), self.layout.padded(width)
        source = kernels.embed(slots=slots, stride=stride, width=width, positions=positions, weights=wte.weights)
        scale = () if wte.scale is None else (wte.scale,)
        return self._run("embed", source, slots, (slots, stride), inputs, wte.weight, wpe, *scale)

    def layer_norm(self, norm: Norm, x: Tensor, wanted: Tensor | None) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        source = kernels.layer_norm(
            stride=int(x.shape[1]), width=norm.width, epsilon=norm.epsilon, gathered=wanted is not None
        )
        picked = () if wanted is None else (wanted,)
        count = int(x.shape[0] if wanted is None else wanted.shape[0])
        return self._run("layer_norm", source, count, (count, norm.width), x, norm.weight, norm.bias, *picked)

    def linear(self, linear: Matrix, x: Tensor, residual: Tensor | None) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        slots, stride = (int(size) for size in x.shape)
        tile = kernels.tile_for(slots, self.vector_bits)
        # Every slice of a wide tile copies its part of x first: fewer of them, and it stays cheap.
        slices = min(linear.blocks, self.threads * (SLICES_PER_THREAD if tile.slots < 4 else 2))
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
        shape = (slots, linear.blocks * self.layout.lanes)
        return self._run(linear.name, source, slices, shape, x, *linear.operands, *beside)

    def attention(self, cache: KVCache, qkv: Tensor, inputs: Tensor) -> Tensor:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`."""
        slots, stride = (int(size) for size in qkv.shape)
        source = attention(
            slots=slots, stride=stride, heads=cache.heads, size=cache.size, blocks=cache.blocks, cache=cache.weights
        )
        shape = (slots, cache.heads * cache.size)
        return self._run("attention", source, cache.heads, shape, cache.keys, cache.values, qkv, inputs, outputs=3)

    def attended(self, cache: KVCache, last: int) -> UOp:
        """See :class:`~plugins.gpt2.model.launcher.Launcher`; these kernels read each slot's own position instead."""
        return attended_blocks(self.layout.positions, cache.blocks, 1)
