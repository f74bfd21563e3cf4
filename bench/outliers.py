"""Writes a twin of a checkpoint: the same function, with a few channels of each LayerNorm's output made far larger.

Real GPT-2 has such channels and townhall-mini has not; they are what makes 8 bits of activations hard. What a norm's
weight and bias gain, the rows of the matrix behind it lose: ``python -m bench.outliers OUT`` for townhall-mini.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.formats.gguf_file import read_tensors
from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.model.constants import EMBEDDED_MODEL
from tools.random_checkpoint import safetensors_bytes

CHANNELS, TIMES = 3, 30.0
BEHIND = {"ln_1": "attn.c_attn.weight", "ln_2": "mlp.c_fc.weight"}
"""The matrix that reads each norm's output. Behind the last norm stand the tied embeddings, which others read too."""


def write_twin(folder: Path, out: Path) -> None:
    """Write the twin of a checkpoint's folder. Raises OSError where ``out`` cannot be made."""
    out.mkdir(parents=True)
    for file in folder.iterdir():
        if file.suffix in (".json", ".txt"):
            shutil.copy(file, out)
    tensors = {name: np.array(values, np.float32) for name, values in read_tensors(folder / "model.safetensors")}
    rng = np.random.default_rng(30)
    for name in [name for name in tensors if name.endswith(".weight") and name.split(".")[-2] in BEHIND]:
        block, norm = name.rsplit(".", 2)[:2]
        channels = rng.choice(len(tensors[name]), CHANNELS, replace=False)
        for part in ("weight", "bias"):
            tensors[f"{block}.{norm}.{part}"][channels] *= TIMES
        tensors[f"{block}.{BEHIND[norm]}"][channels] /= TIMES
    (out / "model.safetensors").write_bytes(safetensors_bytes(tensors))


def main(given: Sequence[str] | None = None) -> int:
    """Write it; print its config, as a sign of life."""
    parser = argparse.ArgumentParser("python -m bench.outliers", description=__doc__)
    parser.add_argument("out", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--model", default=EMBEDDED_MODEL, help=f"as everywhere (default {EMBEDDED_MODEL})")
    options = parser.parse_args(given)
    with open_checkpoint(options.model, local_only=True) as checkpoint:
        write_twin(checkpoint.folder, options.out)
    print(json.dumps({"wrote": options.out.name, "channels": CHANNELS, "times": TIMES}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
