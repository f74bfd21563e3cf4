"""A GPT-2's operations on the kernels in C; the gradients of weights go straight to where they are added up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tinygrad import Tensor, UOp, dtypes

from plugins.gpt2.model import device
from plugins.gpt2.model.constants import Activation
from plugins.gpt2.training.cpu import rows as kernels
from plugins.gpt2.training.cpu.attention import Attention
from plugins.gpt2.training.cpu.products import Product, Tile
from plugins.gpt2.training.network.operations import Tensors, TinygradOperations

Gradients = Callable[[UOp, UOp], tuple[UOp | None, ...]]


def launch(
    source: str, slices: int, *tensors: Tensor, outputs: int = 1, gradient: Gradients | None = None
) -> list[Tensor]:
    """Launch a kernel whose first ``outputs`` tensors are written; return all tensors as they are afterwards."""
    name = source[source.index("\nvoid ") + 6 :].split("(", 1)[0]

    def program(*arguments: UOp) -> UOp:
        return device.c_program(name, source, arguments, outputs=outputs, slices=slices)

    made: list[Tensor] = Tensor.custom_kernel(*tensors, fxn=program, grad_fxn=gradient)
    return made


def chunks(count: int, each: int = kernels.CHUNK) -> int:
    """Return how many slices ``count`` makes."""
    return math.ceil(count / each)


class COperations(TinygradOperations):
    """:class:`~plugins.gpt2.training.network.operations.Operations` on a CPU.

    ``sums`` belong to the ``weights`` of the same names; a weight without one is not trained, and its gradient is not
    made.
    """

    def __init__(self, tile: Tile, threads: int, where: str, weights: Tensors, sums: Tensors, kept: Tensor) -> None:
        self.tile, self.threads, self.where, self.kept = tile, threads, where, kept
        self._sums = {id(weight): sums[name] for name, weight in weights.items()}
        self._table: Tensor | None = None
        self._head: UOp | None = None

    def _floats(self, *shape: int) -> Tensor:
        return Tensor.empty(*shape, dtype=dtypes.float32, device=self.where)

    def _product(self, what: Product, out: Tensor, *inputs: Tensor, gradient: Gradients | None = None) -> Tensor:
        shared = replace(what, threads=self.threads)
        return launch(shared.source("product_of", self.tile), shared.slices, out, *inputs, gradient=gradient)[0]

    def _sum(self, weight: Tensor | None) -> Tensor | None:
        return self._sums.get(id(weight))

    def embed(self, tokens: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
        """See :class:`TinygradOperations`."""
        (rows, length), (vocabulary, width) = map(_sizes, (tokens, wte))
        to_wte, to_wpe = self._sum(wte), self._sum(wpe)
        self._table = wte

        def back(dout: UOp, call: UOp) -> tuple[UOp | None, ...]:
            if to_wte is None or to_wpe is None:
                return None, None, None, None
            positions, added = int(wpe.shape[0]), self._head is not None
            source = kernels.embed_back(rows, length, width, vocabulary, positions, added=added)
            table = to_wte if self._head is None else Tensor(self._head)
            self._head = None
            made = launch(
                source,
                chunks(width, kernels.COLUMNS),
                *(table, to_wpe, Tensor(call.src[2]), Tensor(dout), self.kept),
                outputs=2,
            )
            return None, None, made[0].uop, made[1].uop

        source = kernels.embed(rows, length, width)
        out = self._floats(rows * length, width)
        return launch(source, chunks(rows * length), out, tokens, wte, wpe, gradient=back)[0]

    def norm(self, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        """See :class:`TinygradOperations`."""
        count, width = _sizes(x)
        scale, shift = self._sum(weight), self._sum(bias)
        facts = self._floats(count, 2)

        def back(dout: UOp, call: UOp) -> tuple[UOp | None, ...]:
            known = Tensor(call.src[2].after(call))
            dx, parts = launch(
                kernels.norm_back(count, width),
                chunks(count),
                *(self._floats(count, width), self._floats(chunks(count), 2, width)),
                *(Tensor(call.src[3]), Tensor(call.src[4]), known, Tensor(dout)),
                outputs=2,
            )[:2]
            if scale is None or shift is None:
                return None, None, dx.uop, None, None
            made = launch(kernels.norm_sums(chunks(count), width), 1, scale, shift, parts, self.kept, outputs=2)
            return None, None, dx.uop, made[0].uop, made[1].uop

        source = kernels.norm(count, width, epsilon)
        out = self._floats(count, width)
        return launch(source, chunks(count), out, facts, x, weight, bias, outputs=2, gradient=back)[0]

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None) -> Tensor:
        """See :class:`TinygradOperations`."""
        (m, k), (_, n) = map(_sizes, (x, weight))
        to_weight, to_bias = self._sum(weight), self._sum(bias)

        def back(dout: UOp, call: UOp) -> tuple[UOp | None, ...]:
            slope, given, matrix = Tensor(dout), Tensor(call.src[2]), Tensor(call.src[3])
            dx = self._product(Product(m, k, n, b_turned=True), self._floats(m, k), slope, matrix).uop
            dw = db = None
            if to_weight is not None:
                what = Product(k, n, m, a_turned=True, summed=True)
                dw = self._product(what, to_weight, given, slope, self.kept).uop
            if to_bias is not None:
                source = kernels.column_sums(m, n)
                db = launch(source, chunks(n, kernels.COLUMNS), to_bias, slope, self.kept)[0].uop
            found: list[UOp | None] = [None, dx, dw]
            return *found, *([] if bias is None else [db]), *([] if residual is None else [dout])

        what = Product(m, n, k, biased=bias is not None, beside=residual is not None)
        beside = [each for each in (bias, residual) if each is not None]
        return self._product(what, self._floats(m, n), x, weight, *beside, gradient=back)

    def activate(self, x: Tensor, kind: Activation) -> Tensor:
        """See :class:`TinygradOperations`."""
        if kind != "gelu_new":
            return super().activate(x, kind)
        shape = _sizes(x)
        count = math.prod(shape)
        pieces = chunks(count, kernels.PIECE)

        def back(dout: UOp, call: UOp) -> tuple[UOp | None, ...]:
            made = launch(kernels.gelu_back(count), pieces, self._floats(*shape), Tensor(call.src[2]), Tensor(dout))
            return None, made[0].uop

        return launch(kernels.gelu(count), pieces, self._floats(*shape), x, gradient=back)[0]

    def attention(self, qkv: Tensor, rows: int, heads: int, factor: float) -> Tensor:
        """See :class:`TinygradOperations`."""
        count, width = _sizes(qkv)[0], _sizes(qkv)[1] // 3
        what = Attention(count // rows, heads, width // heads, factor)

        def back(dout: UOp, call: UOp) -> tuple[UOp | None, ...]:
            logs, given = Tensor(call.src[2].after(call)), Tensor(call.src[3])
            back = self._floats(count, 3 * width)
            return None, None, launch(what.backward(self.tile), rows * heads, back, given, logs, Tensor(dout))[0].uop

        out, logs = self._floats(count, width), self._floats(count, heads)
        return launch(what.forward(self.tile), rows * heads, out, logs, qkv, outputs=2, gradient=back)[0]

    def nats(self, x: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        """See :class:`TinygradOperations`."""
        (count, width), (vocabulary, _) = map(_sizes, (x, head))
        to_head, tied = self._sum(head), head is self._table
        logits = self._product(
            Product(count, vocabulary, width, b_turned=True), self._floats(count, vocabulary), x, head
        )

        def back(dout: UOp, call: UOp) -> tuple[UOp | None, ...]:
            logs, given, wanted = (Tensor(each) for each in (call.src[2].after(call), call.src[3], call.src[4]))
            source = kernels.nats_back(count, vocabulary)
            slopes = launch(source, chunks(count), given, logs, wanted, Tensor(dout))[0]
            return None, None, None, None, *self._through_head(slopes, Tensor(call.src[5]), head, to_head, tied)

        source = kernels.nats(count, vocabulary)
        each, logs = self._floats(count), self._floats(count)
        made = launch(source, chunks(count), each, logs, logits, targets, x, head, outputs=2, gradient=back)[0]
        return made.mean()

    def _through_head(
        self, slopes: Tensor, x: Tensor, head: Tensor, to_head: Tensor | None, tied: bool
    ) -> tuple[UOp, UOp | None]:
        """Return the gradients of ``x`` and of the head by those of the logits, ``slopes`` (rows, vocabulary).

        ``to_head`` is where the head's is summed, None where it is not learnt.
        """
        (count, width), (vocabulary, _) = map(_sizes, (x, head))
        dx = self._product(Product(count, width, vocabulary), self._floats(count, width), slopes, head)
        if to_head is None:
            return dx.uop, None
        what = Product(vocabulary, width, count, a_turned=True, summed=True)
        dhead = self._product(what, to_head, slopes, x, self.kept).uop
        if tied:  # the embedding's gradient is added to this one, and is told for both
            self._head, dhead = dhead, None
        return dx.uop, dhead

    def gradients(self, loss: Tensor, weights: Tensors, sums: Tensors, kept: Tensor) -> list[Tensor]:
        """See :class:`TinygradOperations`; the sums are where the kernels put them."""
        return list(loss.gradient(*weights.values()))


def _sizes(tensor: Tensor) -> Any:
    return tuple(int(size) for size in tensor.shape)
