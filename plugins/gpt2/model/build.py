"""From a checkpoint's tensors to a network on the device: one tensor at a time, never two copies of the whole."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor

from plugins.gpt2.engine.interface import ModelInfo
from plugins.gpt2.model import device as tiny
from plugins.gpt2.model.attention import Attention, KVCache
from plugins.gpt2.model.constants import GPT2Config, Weights
from plugins.gpt2.model.cpu_graph import use_graph
from plugins.gpt2.model.feed_forward import FeedForward
from plugins.gpt2.model.gpt2 import GPT2, LoadProgress
from plugins.gpt2.model.kernels import Epilogue
from plugins.gpt2.model.launch import Launcher, UOpLauncher
from plugins.gpt2.model.launch_c import CLauncher
from plugins.gpt2.model.layer_norm import LayerNorm
from plugins.gpt2.model.layout import GPU
from plugins.gpt2.model.linear import Linear
from plugins.gpt2.model.transformer import Transformer
from plugins.gpt2.model.transformer_block import TransformerBlock

if TYPE_CHECKING:
    from plugins.gpt2.model.checkpoint import Checkpoint

Array = npt.NDArray[np.float32]
Progress = Generator[LoadProgress, None, "Linear | LayerNorm | Tensor"]


class _Builder:
    """Reads tensors by name and counts what was read and what is kept."""

    def __init__(self, checkpoint: Checkpoint, weights: Weights, where: str, launcher: Launcher) -> None:
        self.checkpoint, self.weights, self.where, self.launcher = checkpoint, weights, where, launcher
        self.total = sum(ref.nbytes for ref in checkpoint.tensors.values())
        self.read = self.kept = 0
        self.current = ""

    def array(self, name: str) -> Array:
        ref = self.checkpoint.tensors[name]
        self.read, self.current = self.read + ref.nbytes, name
        return ref.numpy().astype(np.float32, copy=False)

    def progress(self) -> LoadProgress:
        return LoadProgress("loading", self.current, self.read, self.total, self.kept)

    def linear(self, name: str, activation: Epilogue = "none") -> Linear:
        matrix, bias = self.array(f"{name}.weight"), self.array(f"{name}.bias")
        return self._linear(name.rsplit(".", 2)[-1], matrix, bias, activation)

    def embedding(self, name: str) -> Linear:
        """A (V, E) table as the Linear of its transpose."""
        return self._linear(name, self.array(f"{name}.weight").T, None, "none")

    def _linear(self, name: str, matrix: Array, bias: Array | None, activation: Epilogue) -> Linear:
        made = Linear(
            name, matrix, bias, weights=self.weights, launcher=self.launcher, where=self.where, activation=activation
        )
        self.kept += made.nbytes
        return made

    def layer_norm(self, name: str, epsilon: float) -> LayerNorm:
        weight, bias = self.array(f"{name}.weight"), self.array(f"{name}.bias")
        self.kept += weight.nbytes + bias.nbytes
        return LayerNorm(weight, bias, epsilon, self.launcher, self.where)

    def table(self, name: str) -> Tensor:
        values = np.ascontiguousarray(self.array(name))
        self.kept += values.nbytes
        return Tensor(values, device=self.where).realize()


def _block(
    builder: _Builder, config: GPT2Config, index: int, cache: KVCache
) -> Generator[LoadProgress, None, TransformerBlock]:
    name = f"h.{index}"
    ln_1 = builder.layer_norm(f"{name}.ln_1", config.layer_norm_epsilon)
    qkv = builder.linear(f"{name}.attn.c_attn")
    yield builder.progress()
    projection = builder.linear(f"{name}.attn.c_proj")
    ln_2 = builder.layer_norm(f"{name}.ln_2", config.layer_norm_epsilon)
    yield builder.progress()
    expand = builder.linear(f"{name}.mlp.c_fc", config.activation)
    yield builder.progress()
    contract = builder.linear(f"{name}.mlp.c_proj")
    yield builder.progress()
    attention = Attention(qkv, projection, cache, builder.launcher)
    return TransformerBlock(ln_1, attention, ln_2, FeedForward(expand, contract))


def launcher_for(where: str, threads: int | None) -> Launcher:
    """Return the launcher that serves on a device; ``threads`` None is every core that this process may use."""
    if where.split(":")[0] != "CPU":
        return UOpLauncher(GPU, where)
    count = threads or len(os.sched_getaffinity(0))
    use_graph(count)
    return CLauncher(count, 512, where)


def build(
    checkpoint: Checkpoint, *, weights: Weights | None, rows: int, device: str | None, threads: int | None
) -> Generator[LoadProgress, None, GPT2]:
    """Yield before and after each large tensor; return the model, not warmed up. Arguments as ``gpt2.loading``."""
    tiny.share_kernel_cache()
    config, where = checkpoint.config, device or tiny.default_device()
    chosen: Weights = weights or ("int8" if where.split(":")[0] == "CPU" else "fp16")
    launcher = launcher_for(where, threads)
    builder = _Builder(checkpoint, chosen, where, launcher)
    yield builder.progress()
    wte, wpe = builder.embedding("wte"), builder.table("wpe.weight")
    yield builder.progress()
    cache_type: Weights = "fp32" if chosen == "fp32" else "fp16"
    blocks = []
    for index in range(config.n_layer):
        cache = KVCache(
            rows + 1, config.n_head, config.head_size, config.n_positions, cache_type, launcher.layout, where
        )
        blocks.append((yield from _block(builder, config, index, cache)))
    ln_f = builder.layer_norm("ln_f", config.layer_norm_epsilon)
    head = wte if config.tied_head else builder.embedding("lm_head")
    yield builder.progress()
    network = Transformer(wte, wpe, blocks, ln_f, head, launcher)
    info = ModelInfo(
        name=checkpoint.name,
        device=where,
        dtype=chosen,
        parameters=config.parameters,
        weight_bytes=builder.kept,
        context_length=config.n_positions,
        vocab_size=config.vocab_size,
        end_of_text=config.end_of_text,
    )
    return GPT2(network, config, checkpoint.tokenizer(), info, rows)
