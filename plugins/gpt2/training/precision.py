"""What the operands of training's products are: fp32, or bf16 where the processor multiplies that at twice the rate.

Sums, weights, gradients, moments, normalisation and softmax are fp32 either way.
"""

from __future__ import annotations

from typing import Literal

from plugins.gpt2.model.target import compiler
from plugins.gpt2.model.target.device_names import is_cpu

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


class NoSuchProducts(ValueError):
    """This machine does not multiply what was asked for; the message says what does, and the cure."""


def precision_for(asked: Precision | None, device: str, *, new: bool) -> Precision:
    """Return what a training on ``device``, a canonical name, multiplies where the host ``asked`` for it or did not.

    A model that is there learns as well in bf16. Of a ``new`` one that is known of short trainings only
    (docs/performance.md), so it is not trained so unless that is asked for.

    Raises :class:`NoSuchProducts`.
    """
    fast = is_cpu(device) and compiler.multiplies_bf16()
    if asked == "bf16" and not fast:
        raise NoSuchProducts(
            "products of bf16 need a CPU with AVX512_BF16 (AMD's from Zen 4, Intel's servers from Sapphire Rapids), "
            "which this training would not have. --precision fp32 trains here, with --resume too."
        )
    return asked or ("bf16" if fast and not new else "fp32")
