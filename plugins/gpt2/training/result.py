"""A training's result: a checkpoint that everything loads which loads GPT-2's, with a card and a picture."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, read_json_object
from plugins.gpt2.checkpoint.files import WEIGHTS_NAME
from plugins.gpt2.checkpoint.own_models import own_partial
from plugins.gpt2.checkpoint.safetensors_writer import write_safetensors
from plugins.gpt2.training.learner import Arrays
from plugins.gpt2.training.start import copy_start
from townhall_bot.machine.files import sync

CARD, PICTURE = "README.md", "curves.png"
LARGEST_FP16 = 60_000.0


def write_result(home: Path, name: str, start: Path, weights: Arrays, card: str, picture: bytes) -> Path:
    """Write the model ``name`` into the folder ``home``, where it appears whole; return its folder.

    Takes the place of an earlier result of the same run. Raises OSError.
    """
    made, old = own_partial(home, name, "made"), own_partial(home, name, "old")
    for folder in (made, old):
        shutil.rmtree(folder, ignore_errors=True)
    copy_start(start, made)
    dtype = "F16" if all(_fits(values) for values in weights.values()) else "F32"
    described: dict[str, Any] = dict(read_json_object(made / CONFIG_NAME))
    described.pop("dtype", None)
    described["torch_dtype"] = {"F16": "float16", "F32": "float32"}[dtype]
    _write(made / CONFIG_NAME, json.dumps(described, indent=1).encode())
    with (made / WEIGHTS_NAME).open("wb") as file:
        write_safetensors(file, weights, dtype)
        file.flush()
        os.fsync(file.fileno())
    _write(made / CARD, card.encode())
    _write(made / PICTURE, picture)
    place = home / name
    if place.exists():
        place.rename(old)
    made.rename(place)
    sync(home)
    shutil.rmtree(old, ignore_errors=True)
    return place


def _fits(values: npt.NDArray[Any]) -> bool:
    return bool(np.abs(values).max(initial=0) < LARGEST_FP16)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
