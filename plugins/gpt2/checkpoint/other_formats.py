"""What people give in a checkpoint's stead, called by its name, with the way from there to a checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

SAVED = "Give the folder of a checkpoint saved by transformers' save_pretrained()."

_FLAX = "GPT2LMHeadModel.from_pretrained('the folder', from_{}=True).save_pretrained('another folder')"

NAMED: dict[str, tuple[str, str]] = {
    "adapter_config.json": (
        "an adapter (LoRA) for another model, not a whole model",
        "Merge it into that first, with peft: AutoPeftModelForCausalLM.from_pretrained('the folder')"
        ".merge_and_unload().save_pretrained('another folder').",
    ),
    "tf_model.h5": (
        "a model in TensorFlow's format (tf_model.h5)",
        f"Convert it with transformers 4 and TensorFlow: {_FLAX.format('tf')}.",
    ),
    "flax_model.msgpack": (
        "a model in Flax's format (flax_model.msgpack)",
        f"Convert it with transformers 4 and Flax: {_FLAX.format('flax')}.",
    ),
}
"""A file that gives a format away → what it is, and the cure."""

_PATTERNS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"hparams\.json|encoder\.json|model(-\d+)?\.ckpt.*|model-\d+\.(index|meta|data-.*)"),
        "a TensorFlow run as gpt-2-simple and OpenAI's own code save it",
        "Convert it with transformers 4 and TensorFlow: "
        "python -m transformers.models.gpt2.convert_gpt2_original_tf_checkpoint_to_pytorch.",
    ),
    (re.compile(r".*\.gguf|ggml-.*\.bin"), "a model for llama.cpp", f"It cannot be read here. {SAVED}"),
    (re.compile(r".*\.onnx"), "a model for ONNX", f"It cannot be read here. {SAVED}"),
    (
        re.compile(r".*\.(ckpt|pth?)"),
        "the state of a training run",
        "Load it there and write a checkpoint with save_pretrained().",
    ),
)
"""Files that give a format away by their form; ``NAMED`` come first."""

_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGE = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)


def folder_is(folder: Path) -> str | None:
    """Say what ``folder`` holds instead of a checkpoint, and the cure; None where nothing there gives it away."""
    names = sorted(path.name for path in folder.iterdir())
    if "adapter_config.json" in names and (base := _base_of(folder / "adapter_config.json")):
        return f"{folder}: this is an adapter (LoRA) for {base}, not a whole model. {NAMED['adapter_config.json'][1]}"
    if found := format_of(names):
        return f"{folder}: this is {found[0]}. {found[1]}"
    if "snapshots" in names and (versions := sorted((folder / "snapshots").glob("*/config.json"))):
        return f"{folder}: this is a place of the hub's cache. Give its snapshot: {versions[-1].parent}"
    steps = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    if steps:
        newest = max(steps, key=lambda path: int(path.name.removeprefix("checkpoint-")))
        return f"{folder}: this is the folder of a training run. Give one of its checkpoints: {newest}"
    return None


def format_of(names: Iterable[str]) -> tuple[str, str] | None:
    """Return what files of these names are together, and the cure."""
    there = list(names)
    for name, known in NAMED.items():
        if name in there:
            return known
    for pattern, what, cure in _PATTERNS:
        if any(pattern.fullmatch(name) for name in there):
            return what, cure
    return None


def file_is(start: bytes) -> str | None:
    """Say what a file that begins with ``start`` is instead of what its name promises, and the cure."""
    if start.startswith(_POINTER):
        return (
            "this is a pointer of git-lfs, not the file itself. Run `git lfs pull` where it was cloned, or download "
            "the file from the hub."
        )
    if _PAGE.match(start):
        return (
            "this is a web page, not the file itself. Download it anew: on the hub by the link with /resolve/ in it, "
            "not by the page's with /blob/."
        )
    return None


def _base_of(path: Path) -> str | None:
    try:
        base = json.loads(path.read_bytes())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return base[:200] if isinstance(base, str) else None
