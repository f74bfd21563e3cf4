"""What a run keeps on the disk, so that it goes on where it was, however it ended.

Each file appears whole or not at all, and each is right by itself: the state with how far the run was, and the best
weights with how good they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.safetensors_file import open_safetensors
from plugins.gpt2.checkpoint.safetensors_writer import write_safetensors
from plugins.gpt2.training.learner import Arrays
from townhall_bot.machine.files import write_atomically

STATE, BEST = "state.safetensors", "best.safetensors"
KEY = "townhall"
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}


@dataclass(slots=True)
class Progress:
    """How far a run is. Losses are nats a token; ``before`` and ``best`` are those of the held-out texts."""

    step: int = 0
    elapsed_s: float = 0.0
    before: float | None = None
    best: float | None = None
    best_step: int = 0
    worse: int = 0
    """How many measurements in a row were not better than the best."""
    learnt: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, seconds and mean loss of the batches since the one before."""
    held_out: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, seconds and loss."""


@dataclass(frozen=True, slots=True)
class Best:
    """The weights with the lowest loss on held-out texts."""

    weights: Arrays
    step: int
    loss: float


class RunFiles:
    """The files in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: Arrays, progress: Progress) -> None:
        """Keep a state. Raises OSError; the one before is kept then."""
        self._write(STATE, state, asdict(progress))

    def load(self) -> tuple[Arrays, Progress] | None:
        """Return the last state that was kept; None where none was. Raises CheckpointError where it is damaged.

        What a kill left unfinished goes.
        """
        for name in (STATE, BEST):
            for part in self.folder.glob(f".{name}.*"):
                part.unlink(missing_ok=True)
        found = self._read(STATE)
        return None if found is None else (found[0], Progress(**found[1]))

    def save_best(self, best: Best) -> None:
        """Keep the best weights. Raises OSError."""
        self._write(BEST, best.weights, {"step": best.step, "loss": best.loss})

    def load_best(self) -> Best | None:
        """Return the best weights that were kept. Raises CheckpointError where they are damaged."""
        found = self._read(BEST)
        return None if found is None else Best(found[0], **found[1])

    def _write(self, name: str, tensors: Arrays, facts: Mapping[str, Any]) -> None:
        with write_atomically(self.folder / name) as file:
            write_safetensors(file, tensors, metadata={KEY: json.dumps(facts)})

    def _read(self, name: str) -> tuple[Arrays, dict[str, Any]] | None:
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            file = open_safetensors(path)
            facts = json.loads(json.loads(file.header)["__metadata__"][KEY])
            tensors: dict[str, npt.NDArray[Any]] = {
                key: np.frombuffer(ref.raw(0, ref.nbytes), _TYPES[ref.dtype]).reshape(ref.shape)
                for key, ref in file.tensors.items()
            }
        except (KeyError, TypeError, ValueError) as error:  # CheckpointError among them
            raise CheckpointError(f"{path} is damaged: {error}. Begin this training anew.") from error
        return tensors, facts
