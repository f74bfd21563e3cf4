"""From a checkpoint to a network on a device: its converted weights are found or made, then put together.

What comes of it is parts; ``gpt2.py`` makes a model of them.
"""

from __future__ import annotations

import functools
import logging
import os
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tinygrad import Tensor

from plugins.gpt2.language_model import LoadProgress, ModelInfo
from plugins.gpt2.model import device as tiny
from plugins.gpt2.model.attention import Attention
from plugins.gpt2.model.cache.weights_cache import PackedWeights, open_or_convert
from plugins.gpt2.model.constants import (
    CONTRACT,
    EXPAND,
    FIRST_NORM,
    HEAD,
    LAST_NORM,
    POSITIONS,
    PROJECTION,
    QKV,
    SECOND_NORM,
    TOKENS,
    GPT2Config,
    Products,
    Weights,
    in_block,
)
from plugins.gpt2.model.cpu.drawing import Drawer
from plugins.gpt2.model.cpu.graph import team_of, use_graph
from plugins.gpt2.model.cpu.instructions import Instructions, choose
from plugins.gpt2.model.cpu.kernels import layer_norm
from plugins.gpt2.model.cpu.launcher import CLauncher
from plugins.gpt2.model.cpu.step_cache import StepFactory, known_regions
from plugins.gpt2.model.feed_forward import FeedForward
from plugins.gpt2.model.kernels import Epilogue
from plugins.gpt2.model.kv_cache import KVCache
from plugins.gpt2.model.launch_uop import UOpLauncher
from plugins.gpt2.model.launcher import Launcher
from plugins.gpt2.model.layer_norm import LayerNorm
from plugins.gpt2.model.layout import GPU, PORTABLE_CPU
from plugins.gpt2.model.linear import Linear
from plugins.gpt2.model.packing import floor_of, kept_as
from plugins.gpt2.model.steps import JitStep, Step
from plugins.gpt2.model.target import compiler
from plugins.gpt2.model.target.device_names import is_cpu
from plugins.gpt2.model.target.device_plan import DevicePlan
from plugins.gpt2.model.transformer import Transformer
from plugins.gpt2.model.transformer_block import TransformerBlock

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint

log = logging.getLogger("townhall.gpt2.model")


@dataclass(frozen=True, slots=True)
class Built:
    """A network whose weights are on their device, and what it takes to run it."""

    info: ModelInfo
    network: Callable[[], Transformer]
    """Puts the network together where that was not done yet."""
    packed: PackedWeights
    """The weights as arrays; on a CPU the network's tensors lie in them."""
    make_step: Callable[[int, int], Step]
    """Makes the step for a number of slots, and of slots whose logits are wanted."""
    threads: int
    products: Products
    """What multiplies the weights."""
    rate: float | None
    """How many weights a core multiplies in a second; None for fp32."""
    drawer: Drawer | None
    """What draws tokens, where the C kernels run."""


class _Assembly:
    """Puts modules together from packed weights, moving each array to the device."""

    def __init__(
        self, packed: PackedWeights, config: GPT2Config, weights: Weights, where: str, launcher: Launcher, rows: int
    ) -> None:
        self.packed, self.config, self.weights = packed, config, weights
        self.where, self.launcher, self.rows = where, launcher, rows

    def tensor(self, name: str) -> Tensor:
        return tiny.place(self.packed.arrays[name], self.where)

    def linear(self, name: str, activation: Epilogue = "none", *, feeds_product: bool = False) -> Linear:
        names = self.packed.arrays
        scale = self.tensor(f"{name}.scale") if f"{name}.scale" in names else None
        bias = self.tensor(f"{name}.bias") if f"{name}.bias" in names else None
        label = name.rsplit(".", 1)[-1]
        weight = self.tensor(f"{name}.weight")
        kept = kept_as(name, self.weights)
        floor = floor_of(self.config, name, self.weights, self.launcher.layout)
        made = Linear(label, weight, scale, bias, kept, self.launcher, activation, feeds_product, floor=floor)
        if kept != "int4":
            return made
        rows = self.config.n_inner if name.endswith(CONTRACT) else self.config.n_embd
        return replace(made, steps=self.tensor(f"{name}.steps"), rows=rows)

    def layer_norm(self, name: str) -> LayerNorm:
        weight, bias = self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias")
        return LayerNorm(weight, bias, self.config.layer_norm_epsilon, self.launcher)

    @functools.cached_property
    def caches(self) -> list[KVCache]:
        """Keys and values of each block."""
        config = self.config
        return [
            KVCache(
                rows=self.rows,
                heads=config.n_head,
                size=config.head_size,
                positions=config.n_positions,
                weights="fp32" if self.weights == "fp32" else self.launcher.cached,
                layout=self.launcher.layout,
                where=self.where,
            )
            for _ in range(config.n_layer)
        ]

    def block(self, index: int) -> TransformerBlock:
        qkv, projection = self.linear(in_block(index, QKV)), self.linear(in_block(index, PROJECTION))
        expand = self.linear(in_block(index, EXPAND), self.config.activation, feeds_product=True)
        contract = self.linear(in_block(index, CONTRACT))
        return TransformerBlock(
            self.layer_norm(in_block(index, FIRST_NORM)),
            Attention(qkv, projection, self.caches[index], self.launcher),
            self.layer_norm(in_block(index, SECOND_NORM)),
            FeedForward(expand, contract),
        )

    @functools.cached_property
    def network(self) -> Transformer:
        """All modules. Where every step is kept from an earlier start, nobody asks for them, and 0.1 s is spared."""
        wte, wpe = self.linear(TOKENS), self.tensor(f"{POSITIONS}.weight")
        blocks = [self.block(index) for index in range(self.config.n_layer)]
        head = wte if self.config.tied_head else self.linear(HEAD)
        return Transformer(wte, wpe, blocks, self.layer_norm(LAST_NORM), head, self.launcher)


def launcher_for(where: str, threads: int, weights: Weights = "fp32", products: Products | None = None) -> Launcher:
    """Return the launcher that serves on a device. On a CPU whose compiler takes no C kernels: tinygrad's own.

    ``products`` are those of :func:`~plugins.gpt2.model.cpu.instructions.choose`; only weights of 8 and 4
    bits have a choice. Raises RuntimeError where this processor does not have them.
    """
    if not is_cpu(where):
        return UOpLauncher(GPU, where)
    try:
        use_graph(threads)
        _compile(None)
    except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
        log.warning("the C kernels cannot run here (%s); using tinygrad's own, which are slower", error)
        return UOpLauncher(PORTABLE_CPU, where)
    instructions = choose(compiler.features(), products) if weights in ("int8", "int4") else None
    try:
        _compile(instructions)
    except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
        log.warning("the compiler does not know this processor's integers (%s); products are made in fp32", error)
        instructions = None
    return CLauncher(threads, compiler.vector_bits(), where, instructions, grouped=weights == "int4")


def _compile(instructions: Instructions | None) -> None:
    """Try whether the C kernels compile."""
    tiny.load_c("layer_norm", layer_norm(stride=16, width=16, epsilon=1e-5, gathered=False, instructions=instructions))


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build(
    checkpoint: Checkpoint, plan: DevicePlan, *, rows: int, threads: int | None, products: Products | None
) -> Generator[LoadProgress, None, Built]:
    """Yield before and after each large tensor; return what was built of them. Arguments as ``gpt2.loading``."""
    config, where, chosen = checkpoint.config, plan.device, plan.weights
    team_size = threads or usable_cores()
    launcher = launcher_for(where, team_size, chosen, products)
    total, read, source = checkpoint.total_bytes, 0, ""
    yield LoadProgress("loading", source, read, total, 0)
    converting = open_or_convert(checkpoint, chosen, launcher.layout, compiler.cache_folder())
    while True:
        try:
            part, made = next(converting)
        except StopIteration as done:
            packed: PackedWeights = done.value
            break
        if part.source != source:
            source = part.source
            read += checkpoint.tensors[source].nbytes
        yield LoadProgress("loading", source, read, total, made)
    kept = 0
    for name, array in packed.arrays.items():
        kept += array.nbytes
        if not source:  # mapped at once: tell what there is all the same
            yield LoadProgress("loading", name, min(kept, total - 1), total, kept)
    assembly = _Assembly(packed, config, chosen, where, launcher, rows + 1)

    def network() -> Transformer:
        return assembly.network

    if not isinstance(launcher, CLauncher):
        network()
    yield LoadProgress("loading", source or "all tensors", total, total, kept)
    info = ModelInfo(
        name=checkpoint.name,
        device=where,
        dtype=chosen,
        parameters=config.parameters,
        weight_bytes=kept,
        context_length=config.n_positions,
        vocab_size=config.vocab_size,
        end_of_text=config.end_of_text,
        also_end=config.also_end,
    )
    make_step: Callable[[int, int], Step]
    made_by: Products = "fp32"
    rate: float | None = None
    drawer: Drawer | None = None
    if isinstance(launcher, CLauncher):
        drawer = Drawer(config.vocab_size)
        if launcher.instructions is not None:
            made_by, rate = launcher.products, launcher.instructions.rate
        facts = (config, chosen, launcher.products, compiler.processor(), compiler.choose().version)
        known = known_regions(assembly.caches, packed.arrays)
        make_step = StepFactory(network, known, rows + 1, team_of(team_size), compiler.cache_folder(), *facts)
    else:
        make_step = functools.partial(JitStep, network(), where=where)
    return Built(info, network, packed, make_step, team_size, made_by, rate, drawer)
