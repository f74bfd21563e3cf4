"""What a draft learns from: texts that the model itself writes, and what it gives each next token there.

A draft is right the more often, the more its distribution is the model's own, where members bring it: in its own texts,
not in the corpus (sequence-level distillation, arXiv 1606.07947; DistillSpec, arXiv 2310.08461).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.engine.sampling import Sampler
from plugins.gpt2.language_model import LanguageModel
from plugins.gpt2.protocol import SamplingParams

KEPT = 64
"""So many of the likeliest next tokens are kept at each place; the others are told as one."""
NAMES = ("tokens", "ids", "logits", "whole")
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Texts:
    """``count`` texts of ``length`` tokens each, and what the model said after each of them."""

    tokens: Array
    """uint16 (count, length)."""
    ids: Array
    """uint16 (count, length, KEPT): the likeliest tokens after each, in no order."""
    logits: Array
    """fp16 (count, length, KEPT): what the model gave them."""
    whole: Array
    """fp32 (count, length): the logarithm of the sum of all tokens' weights at the temperature that was asked for."""

    def flush(self) -> None:
        """See to it that what was written is on the disk."""
        for name in NAMES:
            if isinstance(array := getattr(self, name), np.memmap):
                array.flush()


def make(folder: Path, count: int, length: int) -> Texts:
    """Return room on the disk. Raises OSError."""
    folder.mkdir(parents=True)
    shape = (count, length)
    kinds = zip(NAMES, (np.uint16, np.uint16, np.float16, np.float32), (0, KEPT, KEPT, 0), strict=True)
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.dtype(kind), (*shape, kept) if kept else shape)
        for name, kind, kept in kinds
    }
    return Texts(**arrays)


def read(folder: Path) -> Texts:
    """Map what :func:`write` wrote. Raises OSError and ValueError where it is not there, or not whole."""
    done = int(json.loads((folder / "done.json").read_text())["texts"])
    return Texts(**{name: np.load(folder / f"{name}.npy", mmap_mode="r")[:done] for name in NAMES})


def write(
    model: LanguageModel,
    prompts: Callable[[int], Sequence[int]],
    texts: Texts,
    folder: Path,
    sampling: Callable[[int], SamplingParams],
    *,
    temperature: float,
    told: Callable[[int], None] = lambda done: None,
) -> None:
    """Have ``model`` write all ``texts``, as many at a time as it has rows, and note how far it is in ``folder``.

    ``prompts`` and ``sampling`` are asked by the text's number. Every token is a step, those of the prompts too:
    what the model says after them is learnt as well.
    """
    count, length = texts.tokens.shape
    for first in range(0, count, model.rows):
        numbers = range(first, min(first + model.rows, count))
        begun = [list(prompts(number))[:length] for number in numbers]
        samplers = [
            Sampler(sampling(number), prompt, model.drawing) for number, prompt in zip(numbers, begun, strict=True)
        ]
        now = [prompt[0] for prompt in begun]
        rows = list(range(len(begun)))
        for place in range(length):
            logits = model.decode(rows, now, [place] * len(rows))
            texts.tokens[first : first + len(rows), place] = now
            _note(texts, slice(first, first + len(rows)), place, logits, temperature)
            now = [
                prompt[place + 1] if place + 1 < len(prompt) else sampler.sample(row)
                for prompt, sampler, row in zip(begun, samplers, logits, strict=True)
            ]
        (folder / "done.json").write_text(json.dumps({"texts": numbers[-1] + 1, "temperature": temperature}))
        told(numbers[-1] + 1)
    texts.flush()


def _note(texts: Texts, which: slice, place: int, logits: npt.NDArray[np.float32], temperature: float) -> None:
    ids = np.argpartition(logits, logits.shape[1] - KEPT, axis=1)[:, -KEPT:]
    likeliest = np.take_along_axis(logits, ids, 1)
    texts.ids[which, place], texts.logits[which, place] = ids, likeliest
    best = likeliest.max(1, keepdims=True)
    sums = np.exp((logits - best) / np.float32(temperature)).sum(1)
    texts.whole[which, place] = best[:, 0] / temperature + np.log(sums)
