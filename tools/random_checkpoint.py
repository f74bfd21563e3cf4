"""Write GPT-2 checkpoints with random weights: the same numbers from the same seed, with NumPy alone.

The reference logits in ``tests/plugins/gpt2/model/reference`` belong to :data:`RECIPES`; their weights need no place
in the repository because both the script that made the logits and the test that compares them draw the weights here.

    python -m tools.random_checkpoint three-heads /tmp/three-heads
    townhall gpt2 --model_size /tmp/three-heads --prompt Hello --count 8
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, to_json
from plugins.gpt2.checkpoint.files import INDEX_NAME, WEIGHTS_NAME
from plugins.gpt2.checkpoint.safetensors_writer import write_safetensors
from plugins.gpt2.checkpoint.tokenizer.bpe import END_OF_TEXT
from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import MERGES_NAME, VOCAB_NAME
from plugins.gpt2.model.constants import GPT2Config, tensors

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A shape and the seed of its weights."""

    config: GPT2Config
    seed: int


RECIPES: dict[str, Recipe] = {
    "three-heads": Recipe(GPT2Config(2, 3, 48, 37, 257, 192, end_of_text=256), seed=3),
    "five-heads": Recipe(GPT2Config(3, 5, 40, 101, 257, 160, end_of_text=256), seed=5),
    "seven-heads": Recipe(GPT2Config(2, 7, 56, 65, 300, 100, "gelu", 1e-3, end_of_text=299), seed=7),
    "untied-head": Recipe(GPT2Config(2, 9, 72, 23, 261, 288, "relu", 1e-6, end_of_text=260, tied_head=False), seed=9),
}
"""Odd head counts, odd context lengths, an inner width that is not 4 times the width, every activation, other
epsilons."""


def random_weights(config: GPT2Config, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Return float32 weights under canonical names, large enough that attention is sharp and every part matters.

    Drawn from NumPy's legacy generator, whose stream is frozen (NEP 19), in the order of the forward pass.
    """
    rng = np.random.RandomState(seed)
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for tensor in tensors(config):
        values = rng.standard_normal(tensor.shape)
        match tensor.kind:
            case "norm":
                values = values * 0.1 + (1.0 if tensor.part == "weight" else 0.0)
            case "tokens":
                values *= 0.3
            case "bias":
                values *= 0.05
            case "positions":
                values *= 0.2
            case "matrix":
                values *= 1.5 / np.sqrt(tensor.shape[0])
        weights[tensor.name] = values.astype(np.float32)
    return weights


def safetensors_bytes(tensors: Mapping[str, Array], dtype: str = "F32") -> bytes:
    """Return the content of a ``.safetensors`` file."""
    file = io.BytesIO()
    write_safetensors(file, tensors, dtype)
    return file.getvalue()


def small_vocabulary(size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return a byte-level vocabulary of ``size`` ids and its merges: bytes, pairs of letters, the end of text.

    Raises ``ValueError`` outside 257…933.
    """
    pairs = [(left, right) for left, right in product(ascii_lowercase, repeat=2)][: max(0, size - 257)]
    tokens = [*BYTE_ALPHABET, *(left + right for left, right in pairs), END_OF_TEXT]
    if len(tokens) != size:
        raise ValueError(f"vocab_size {size}: a small vocabulary has 257 to 933 entries")
    return {token: number for number, token in enumerate(tokens)}, pairs


def write_checkpoint(
    folder: Path, config: GPT2Config, seed: int, *, dtype: str = "F32", prefix: str = "", shards: int = 1
) -> Path:
    """Write a whole checkpoint into ``folder``, as transformers would; return ``folder``.

    ``prefix`` goes before every name but the head's; more than one of ``shards`` makes an index.
    """
    weights = {
        name if name.startswith("lm_head") else prefix + name: values
        for name, values in random_weights(config, seed).items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    vocab, merges = small_vocabulary(config.vocab_size)
    (folder / CONFIG_NAME).write_text(json.dumps(to_json(config), indent=1))
    (folder / VOCAB_NAME).write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges), ""]
    (folder / MERGES_NAME).write_text("\n".join(lines), encoding="utf-8")
    if shards == 1:
        (folder / WEIGHTS_NAME).write_bytes(safetensors_bytes(weights, dtype))
        return folder
    names: Sequence[str] = list(weights)
    places = {name: f"model-{n % shards + 1:05}-of-{shards:05}.safetensors" for n, name in enumerate(names)}
    for place in set(places.values()):
        part = {name: weights[name] for name in names if places[name] == place}
        (folder / place).write_bytes(safetensors_bytes(part, dtype))
    total = sum(values.nbytes for values in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=1))
    return folder


def main() -> None:
    """Write one recipe's checkpoint."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    recipe = RECIPES[arguments.recipe]
    print(write_checkpoint(arguments.folder, recipe.config, recipe.seed))


if __name__ == "__main__":
    main()
