"""Captured CPU steps, freed from tinygrad and kept on disk: a second start is not spent on planning and compiling.

A capture is a table of kernel calls whose arguments are addresses. Here each address becomes a *region* and an offset:
a region is an array of the model (weights, keys, values), the step's input or output, or scratch memory. That, and the
kernels' compiled code, is all a later start needs.

The file holds machine code, as tinygrad's own kernel cache does: whoever may write to the cache folder may run code as
the bot. Its name is a hash of everything the code depends on, the network's and the kernels' source included.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model import device
from plugins.gpt2.model.cache.cache_dir import TEMPORARY, evict, seal, touch, unseal, warn_once
from plugins.gpt2.model.cache.page_memory import zeros
from plugins.gpt2.model.cpu.graph import CPUGraph
from plugins.gpt2.model.cpu.graph_runner import replay_of
from plugins.gpt2.model.cpu.team import DONE, HEADER, LAUNCH_WORDS, MATRIX, MATRIX_BYTES, Team
from plugins.gpt2.model.kv_cache import KVCache
from plugins.gpt2.model.steps import Floats, Ints, JitStep, Step
from plugins.gpt2.model.transformer import Transformer
from townhall_bot.machine.files import write_atomically

log = logging.getLogger("townhall.gpt2.model")

INPUTS, WANTED, LOGITS = "inputs", "wanted", "logits"
FOLDER = Path(__file__).resolve().parents[1]
SOURCES = (
    *("transformer.py", "transformer_block.py", "attention.py", "feed_forward.py", "layer_norm.py", "linear.py"),
    *("kv_cache.py", "launcher.py", "launch_uop.py", "kernels.py", "layout.py", "packing.py", "build.py", "steps.py"),
    *("device.py", "target/device_names.py", "target/compiler.py", "constants.py", "cache/page_memory.py"),
    *(
        "cpu/launcher.py",
        "cpu/kernels.py",
        "cpu/attention.py",
        "cpu/attention_shape.py",
        "cpu/int_attention.py",
        "cpu/instructions.py",
        "cpu/int_products.py",
        "cpu/quantised_rows.py",
        "cpu/prelude.py",
    ),
    *("cpu/graph_runner.py", "cpu/graph.py", "cpu/team.py", "cpu/step_cache.py"),
)
"""What a captured step depends on, this file included: the network, its kernels, how they are compiled and replayed.

A file that shapes no step (the hub, a tokenizer) is not among them: editing it costs nobody a capture.
"""
EMBED = "embed"
"""The launch that reads single rows of its matrix; all others read theirs from the first byte to the last."""
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """A step without addresses.

    ``regions`` are (name, bytes); ``launches`` is a table as ``team`` runs it, except that a function is an index
    into ``programs``, a matrix that of an argument, and an argument an offset into the region that ``places`` (count,
    arguments) names, -1 for none.
    """

    programs: tuple[bytes, ...]
    regions: tuple[tuple[str, int], ...]
    launches: npt.NDArray[np.uint64]
    places: npt.NDArray[np.int32]

    def to_bytes(self) -> bytes:
        """Return the recording as an ``.npz`` file without pickles."""
        whole = io.BytesIO()
        arrays: dict[str, Array] = {"launches": self.launches, "places": self.places}
        arrays |= {f"program_{index}": np.frombuffer(code, np.uint8) for index, code in enumerate(self.programs)}
        np.savez(whole, regions=np.array(json.dumps(self.regions)), **arrays)  # type: ignore[arg-type]  # stubs want allow_pickle there
        return whole.getvalue()

    @staticmethod
    def from_bytes(whole: bytes) -> Recording:
        """Read it back. Raises ValueError, KeyError or BadZipFile where it is not such a file."""
        with np.load(io.BytesIO(whole), allow_pickle=False) as stored:
            regions = tuple((str(name), int(size)) for name, size in json.loads(str(stored["regions"])))
            count = sum(name.startswith("program_") for name in stored.files)
            programs = tuple(stored[f"program_{index}"].tobytes() for index in range(count))
            return Recording(programs, regions, stored["launches"], stored["places"])


class StepFactory:
    """Makes the steps of one model: from the cache ``folder`` where they are kept, else by capturing them."""

    def __init__(
        self,
        network: Callable[[], Transformer],
        known: Mapping[str, Array],
        rows: int,
        team: Team,
        folder: Path,
        *facts: object,
    ) -> None:
        """``network`` is asked for where a step is captured; ``known`` are the :func:`known_regions`.

        ``rows`` counts the spare row; ``facts`` are what the compiled code depends on beside this package.
        """
        self.network, self.known, self.rows, self.team, self.folder = network, known, rows, team, folder
        self.key = cache_key(rows, team.threads, *facts)

    def __call__(self, slots: int, wanted: int) -> Step:
        """Return the step for so many slots, ready to run."""
        path = self.folder / "steps" / f"{self.key}-{slots}-{wanted}.npz"
        if (kept := load_recording(path)) is not None:
            try:
                return TableStep(kept, self.known, slots, wanted, self.team)
            except ValueError as error:
                log.warning("the captured step %s does not fit (%s); it is captured anew", path, error)
        jit = JitStep(self.network(), slots, wanted, "CPU")
        nowhere = np.zeros((3, slots), np.int32)
        nowhere[2] = self.rows - 1
        recording = record(jit, nowhere, np.zeros(wanted, np.int32), self.known)
        if recording is None:
            return jit
        keep_recording(path, recording)
        return TableStep(recording, self.known, slots, wanted, self.team)


def known_regions(caches: Sequence[KVCache], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays that outlive a step, by region name: weights, keys and values."""
    regions = dict(arrays)
    for index, cache in enumerate(caches):
        regions[f"keys:{index}"], regions[f"values:{index}"] = cache.key_array, cache.value_array
    return regions


def record(step: JitStep, inputs: Ints, wanted: Ints, known: Mapping[str, Array]) -> Recording | None:
    """Capture a step by running it once; None where the capture is not one table of constant calls."""
    logits = step.launch(inputs, wanted)
    graph = replay_of(step.jit)
    if not isinstance(graph, CPUGraph) or not graph.constant:
        return None
    spans = [(array.ctypes.data, array.nbytes, name) for name, array in known.items()]
    for name, tensor in ((INPUTS, step.inputs), (WANTED, step.wanted), (LOGITS, logits)):
        spans.append((*device.span(tensor), name))
    spans.sort()
    codes: dict[bytes, int] = {}
    regions: dict[str, tuple[int, int]] = {}
    launches = graph.table.copy()
    launches[:, DONE:HEADER] = 0
    places = np.full((len(launches), LAUNCH_WORDS - HEADER), -1, np.int32)
    starts = np.array([start for start, _, _ in spans], np.uint64)
    for row, launch in enumerate(graph.launches):
        launches[row, 0] = codes.setdefault(launch.code, len(codes))
        for column, (base, size) in enumerate(launch.owners):
            address = int(graph.table[row, HEADER + column])
            found = int(np.searchsorted(starts, address, side="right")) - 1
            name, start, length = f"scratch:{base:x}", base, size
            if found >= 0 and address < spans[found][0] + max(spans[found][1], 1):
                start, length, name = spans[found]
            regions.setdefault(name, (len(regions), length))
            places[row, column] = regions[name][0]
            launches[row, HEADER + column] = address - start
            if launch.name != EMBED and name.endswith(".weight") and length > launches[row, MATRIX_BYTES]:
                launches[row, MATRIX], launches[row, MATRIX_BYTES] = column, length
    named = [(name, size) for name, (_, size) in regions.items()]
    numbered = tuple(
        (name if not name.startswith("scratch:") else f"scratch:{n}", size) for n, (name, size) in enumerate(named)
    )
    return Recording(tuple(codes), numbered, launches, places)


class TableStep:
    """A recording with this process's addresses put in; runs without tinygrad."""

    def __init__(self, recording: Recording, known: Mapping[str, Array], slots: int, wanted: int, team: Team) -> None:
        """Raise ValueError where the recording names a region that is not there or has another size."""
        self.team = team
        self.programs = [device.load_binary(f"kernel_{index}", code) for index, code in enumerate(recording.programs)]
        self.memory: list[Array] = []
        for name, size in recording.regions:
            array = known.get(name)
            if array is None:
                if not name.startswith("scratch:") and name not in (INPUTS, WANTED, LOGITS):
                    raise ValueError(f"a recorded step uses {name}, which this model does not have")
                array = zeros((size,), np.dtype(np.uint8))
            elif array.nbytes != size:
                raise ValueError(f"{name} has {array.nbytes} bytes, the recorded step expects {size}")
            self.memory.append(array)
        byte_views = {name: array for (name, _), array in zip(recording.regions, self.memory, strict=True)}
        self.inputs: Ints = byte_views[INPUTS].view(np.int32).reshape(3, slots)
        self.wanted: Ints = byte_views[WANTED].view(np.int32).reshape(wanted)
        self.logits: Floats = byte_views[LOGITS].view(np.float32).reshape(wanted, -1)
        functions = np.array([program.addr for program in self.programs], np.uint64)
        bases = np.array([array.ctypes.data for array in self.memory], np.uint64)
        self.table = recording.launches.copy()
        self.table[:, 0] = functions[recording.launches[:, 0].astype(np.int64)]
        arguments = self.table[:, HEADER:]
        used = recording.places >= 0
        arguments[used] += bases[recording.places[used]]
        read = np.flatnonzero(self.table[:, MATRIX_BYTES])
        self.table[read, MATRIX] = arguments[read, self.table[read, MATRIX].astype(np.int64)]

    @property
    def ready(self) -> bool:
        """See :class:`~plugins.gpt2.model.steps.Step`."""
        return True

    @property
    def kernels(self) -> int:
        """See :class:`~plugins.gpt2.model.steps.Step`."""
        return len(self.table)

    def run(self, inputs: Ints, wanted: Ints) -> Floats:
        """See :class:`~plugins.gpt2.model.steps.Step`."""
        self.inputs[:] = inputs
        self.wanted[:] = wanted
        self.team.run(self.table)
        return self.logits.copy()

    def __del__(self) -> None:
        if hasattr(self, "table"):
            self.team.settle()


def cache_key(*facts: object) -> str:
    """Return a name for a step that depends on ``facts``, on the :data:`SOURCES` and on tinygrad's version."""
    digest = hashlib.sha256(repr((device.TINYGRAD_VERSION, *facts)).encode())
    for name in SOURCES:
        digest.update(FOLDER.joinpath(name).read_bytes())
    return digest.hexdigest()[:24]


def load_recording(path: Path) -> Recording | None:
    """Return what is kept under ``path``, or None where there is nothing whole."""
    try:
        whole = unseal(path.read_bytes())
        if whole is None:
            raise ValueError("it is damaged")
        recording = Recording.from_bytes(whole)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        what = "captured steps in %s cannot be read (%s: %s); they are captured anew"
        warn_once(log, path.parent, what, path.parent, path.name, error)
        return None
    touch(path)
    return recording


def keep_recording(path: Path, recording: Recording) -> None:
    """Write a recording; a full disk costs the next start some seconds and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        evict(path.parent)
        with write_atomically(path, prefix=TEMPORARY, durable=False) as file:  # one that a power cut halves is not read
            file.write(seal(recording.to_bytes()))
    except OSError as error:
        what = "captured steps cannot be kept in %s (%s); they are captured at every start"
        warn_once(log, path.parent, what, path.parent, error)
