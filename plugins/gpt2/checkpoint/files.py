"""Which files make a checkpoint's folder, as transformers' ``save_pretrained()`` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, GENERATION_NAME, read_json_object
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import MERGES_NAME, VOCAB_NAME
from plugins.gpt2.checkpoint.tokenizer.tokenizer_json import TOKENIZER_NAME
from plugins.gpt2.checkpoint.tokenizer.tokenizer_settings import SETTINGS_NAMES

__all__ = [
    "CONFIG_NAME",
    "INDEX_NAME",
    "MERGES_NAME",
    "PICKLE_INDEX_NAME",
    "PICKLE_NAME",
    "SETTINGS_NAMES",
    "SMALL_FILES",
    "TOKENIZER_NAME",
    "VOCAB_NAME",
    "WEIGHTS_NAME",
    "lacking_files",
    "pickle_refused",
    "weight_files",
    "weight_map",
]

WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
PICKLE_NAME = "pytorch_model.bin"
PICKLE_INDEX_NAME = "pytorch_model.bin.index.json"

SMALL_FILES = (
    *(CONFIG_NAME, GENERATION_NAME, *SETTINGS_NAMES, TOKENIZER_NAME, VOCAB_NAME, MERGES_NAME),
    *(INDEX_NAME, PICKLE_INDEX_NAME),
)
"""All files that are read but for the weights themselves."""


def weight_map(path: Path) -> dict[str, str]:
    """Return tensor → shard from an index. Raises :class:`CheckpointError`, also where a shard lies elsewhere."""
    ending = ".bin" if path.name == PICKLE_INDEX_NAME else ".safetensors"
    name = re.compile(rf"\w[\w.-]*{re.escape(ending)}", re.ASCII)
    mapping = read_json_object(path).get("weight_map")
    if not isinstance(mapping, dict) or not mapping:
        raise CheckpointError(f"{path}: weight_map is missing or empty. Copy or download the index again.")
    for shard in mapping.values():
        if not isinstance(shard, str) or not name.fullmatch(shard):
            raise CheckpointError(
                f"{path}: {shard!r} is not the name of a {ending} file in the same folder. "
                "Files elsewhere are never opened; get the checkpoint from a place you trust."
            )
    return mapping


def lacking_files(folder: Path, *, allow_pickle: bool = False) -> list[str]:
    """Return the names of files that ``folder`` lacks to be a checkpoint; empty where it is complete.

    Raises :class:`CheckpointError` where an index is there but cannot be read.
    """
    vocabulary = (VOCAB_NAME, MERGES_NAME) if not (folder / TOKENIZER_NAME).is_file() else ()
    lacking = [name for name in (CONFIG_NAME, *vocabulary) if not (folder / name).is_file()]
    return lacking + [name for name in weight_files(folder, allow_pickle=allow_pickle) if not (folder / name).is_file()]


def weight_files(folder: Path, *, allow_pickle: bool) -> list[str]:
    """Return the names of the files that the weights in ``folder`` are in: the best of the forms that are there.

    Raises :class:`CheckpointError` where an index is there but cannot be read.
    """
    for whole, index in ((WEIGHTS_NAME, INDEX_NAME), (PICKLE_NAME, PICKLE_INDEX_NAME)):
        if whole == PICKLE_NAME and not allow_pickle:
            break
        if (folder / whole).is_file():
            return [whole]
        if (folder / index).is_file():
            return sorted(set(weight_map(folder / index).values()))
    return [WEIGHTS_NAME]


def pickle_refused(where: object) -> str:
    """Return why ``pytorch_model.bin`` is not read unasked, and how to ask."""
    return (
        f"{where} has only {PICKLE_NAME}, a pickle. A pickle is a program, not just numbers, so it is not opened "
        "unless you ask for it: set TOWNHALL_GPT2_ALLOW_PICKLE=true (only tensors are read then, anything else in it "
        f"is refused), or convert it to {WEIGHTS_NAME}."
    )
