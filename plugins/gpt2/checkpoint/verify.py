"""Look through a whole checkpoint: do the files agree, are they what the hub sent, is every weight a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plugins.gpt2.checkpoint.checkpoint import Checkpoint
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.files import WEIGHTS_NAME
from plugins.gpt2.checkpoint.hub_cache import content_hashes, known_hash
from plugins.gpt2.checkpoint.model_names import HUB_NAMES

KNOWN_SHA256: dict[tuple[str, str], str] = {
    (HUB_NAMES["gpt2"], WEIGHTS_NAME): "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
}
"""Repository and file → sha256, for files that never change: 548,105,171 bytes of the first GPT-2."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in a line for a person."""

    ok: bool
    text: str


def verify(name: str, folder: Path, *, repo: str | None = None, allow_pickle: bool = False) -> Iterator[Finding]:
    """Yield findings as they are made; reads every byte. Raises nothing that the files can cause."""
    try:
        checkpoint = Checkpoint(name, folder, allow_pickle=allow_pickle)
    except CheckpointError as error:
        yield Finding(False, str(error))
        return
    with checkpoint:
        yield Finding(True, f"config.json and the shapes of {len(checkpoint.tensors)} tensors agree")
        yield _tokenizer(checkpoint)
        for path in sorted(folder.iterdir()):
            if path.is_file() and (finding := _content(path, repo)) is not None:
                yield finding
        yield _numbers(checkpoint)


def _tokenizer(checkpoint: Checkpoint) -> Finding:
    try:
        return Finding(True, f"a vocabulary of {checkpoint.tokenizer().vocab_size} tokens")
    except CheckpointError as error:
        return Finding(False, str(error))


def _content(path: Path, repo: str | None) -> Finding | None:
    """Compare a file with the hash that is known of it; None where none is."""
    expected = KNOWN_SHA256.get((repo or "", path.name), known_hash(path))
    if expected is None:
        return None
    kind, found = "sha256" if len(expected) == 64 else "sha1", content_hashes(path, expected)
    if expected in found:
        return Finding(True, f"{path.name} is what the hub has ({kind} {expected[:12]}…)")
    return Finding(False, f"{path.name}: {kind} is {found[0]}, expected {expected}. Download the model again.")


def _numbers(checkpoint: Checkpoint) -> Finding:
    for ref in checkpoint.tensors.values():
        values = ref.numpy()
        if bad := values.size - int(np.isfinite(values).sum()):
            return Finding(
                False,
                f"{ref.file}: tensor {ref.name} of shape {ref.shape} holds {bad} values that are not finite numbers. "
                "Its training failed, or the file is damaged: choose another checkpoint.",
            )
    return Finding(True, f"all {checkpoint.config.parameters:,} weights are finite numbers")
