"""Weights converted once and mapped ever after: ``<cache>/weights/<model>-<content>-<weights>.safetensors``.

A later start maps the file and reads pages as they are needed, straight from the system's page cache, into no memory
of its own. The file's metadata says what it was made from and for; anything else than exactly that is made anew, and so
is one whose parts do not add up to its last one, ``sums``: a flipped bit would be a text of nonsense, without an error,
since integer products make numbers of NaN too. It comes to its name only when it is whole and on disk, so that a full
disk or a killed process leaves no half file behind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import mmap
import os
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model.cache.cache_dir import TEMPORARY, evict, touch
from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.layout import Layout
from plugins.gpt2.model.packing import STORED, Part, pack, parts
from townhall_bot.machine.files import write_atomically

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint

log = logging.getLogger("townhall.gpt2.model")

VERSION = 4
"""Goes up with every change of what the parts hold or how they are packed."""
SUMS = "sums"
"""The last tensor: what the words of each part add up to. Adding them takes 0.01 s for GPT-2."""
ALIGNMENT = 64
MADV_POPULATE_READ = 22
"""Of Linux 5.14; Python 3.11 has no name for it."""
NUMPY_TYPES = dict(STORED.values())

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """A model's parts by name. ``mapped`` says that they lie in a file and not in memory of their own."""

    arrays: Mapping[str, Array]
    mapped: bool


Converting = Generator[tuple[Part, int], None, PackedWeights]
"""Yields each part when it is made, with the bytes made so far; returns them all."""


def cached(checkpoint: Checkpoint, weights: Weights, layout: Layout, folder: Path) -> Path:
    """Return where the converted weights of a checkpoint belong below the cache ``folder``."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", checkpoint.name)[-60:].strip("-.")
    content = checkpoint.fingerprint[:16]
    return folder / "weights" / f"{name}-{content}-{weights}-{layout.lanes}x{layout.depth}.safetensors"


def open_or_convert(checkpoint: Checkpoint, weights: Weights, layout: Layout, folder: Path) -> Converting:
    """Map the cached weights; where there are none that fit, convert the checkpoint, keep them, and map those.

    Where they cannot be kept (a full disk, a read-only home) they stay in memory, and the log says why.
    """
    path = cached(checkpoint, weights, layout, folder)
    about = _about(checkpoint, weights, layout)
    expected = list(parts(checkpoint.config, weights, layout))
    if (found := _mapped(path, about, expected)) is not None:
        return found
    try:
        yield from _write(path, about, expected, pack(checkpoint, weights, layout))
    except OSError as error:
        log.warning("converted weights cannot be kept as %s (%s); they are converted at every start", path, error)
    else:
        _read_anew(path)
        if (found := _mapped(path, about, expected)) is not None:
            return found
    arrays: dict[str, Array] = {}
    made = 0
    for part, array in pack(checkpoint, weights, layout):
        arrays[part.name] = array
        made += array.nbytes
        yield part, made
    return PackedWeights(arrays, mapped=False)


def _about(checkpoint: Checkpoint, weights: Weights, layout: Layout) -> dict[str, str]:
    return {
        "townhall": str(VERSION),
        "model": checkpoint.name,
        "source": checkpoint.fingerprint,
        "weights": weights,
        "lanes": str(layout.lanes),
        "depth": str(layout.depth),
    }


def _header(about: Mapping[str, str], expected: list[Part]) -> bytes:
    """Return length and JSON, padded so that the data begin on a cache line."""
    entries: dict[str, Any] = {"__metadata__": dict(about)}
    end = 0
    for part in expected:
        start, end = end, end + _nbytes(part)
        entries[part.name] = {"dtype": part.dtype, "shape": list(part.shape), "data_offsets": [start, end]}
    entries[SUMS] = {"dtype": "U64", "shape": [len(expected)], "data_offsets": [end, end + 8 * len(expected)]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _nbytes(part: Part) -> int:
    return int(np.prod(part.shape, dtype=np.int64)) * np.dtype(NUMPY_TYPES[part.dtype]).itemsize


def _mapped(path: Path, about: Mapping[str, str], expected: list[Part]) -> PackedWeights | None:
    """Map ``path`` if it is exactly what is expected, else None."""
    wanted = _header(about, expected)
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            size = len(wanted) + _data_bytes(expected)
            if file.read(len(wanted)) != wanted or path.stat().st_size != size:
                log.info("%s is of another version or was cut short; it is made anew", path)
                return None
            mapped = _map(file)
        arrays = dict(_views(mapped, len(wanted), expected))
        if mapped[-8 * len(expected) :] != _sums(arrays.values()):
            raise ValueError("it changed on the disk")
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read (%s); it is made anew", path, error)
        return None
    touch(path)
    return PackedWeights(arrays, mapped=True)


def _data_bytes(expected: list[Part]) -> int:
    return sum(map(_nbytes, expected)) + 8 * len(expected)


def _sums(arrays: Iterable[Array]) -> bytes:
    """Return what the 64-bit words of each array add up to, and the bytes after the last whole one."""
    return np.array([_sum(array.reshape(-1).view(np.uint8)) for array in arrays], np.uint64).tobytes()


def _sum(content: npt.NDArray[np.uint8]) -> np.uint64:
    whole = content.size - content.size % 8
    words = np.add.reduce(content[:whole].view(np.uint64), dtype=np.uint64)
    return np.uint64(words + np.add.reduce(content[whole:], dtype=np.uint64))


def _map(file: BinaryIO) -> mmap.mmap:
    """Map a file for reading; on Linux its page tables are filled at once, not fault by fault.

    A page of 2 MB is walked to once where 512 of 4 KB are: that is some percent of a step. From Linux 6.16 on ext4 has
    them in its cache, where what asks for the file asks for them, too.
    """
    if not hasattr(mmap, "MAP_POPULATE"):
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapped = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    try:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            mapped.madvise(mmap.MADV_HUGEPAGE)
        mapped.madvise(MADV_POPULATE_READ)
    except OSError:  # before Linux 5.14, or without huge pages
        mapped.close()
        return mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    return mapped


def _read_anew(path: Path) -> None:
    """Have the system forget the pages of a file that was just written: it wrote small ones, and reads large ones."""
    if hasattr(os, "posix_fadvise") and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _views(mapped: mmap.mmap, offset: int, expected: list[Part]) -> Iterator[tuple[str, Array]]:
    for part in expected:
        dtype = NUMPY_TYPES[part.dtype]
        count = int(np.prod(part.shape, dtype=np.int64))
        yield part.name, np.frombuffer(mapped, dtype, count, offset).reshape(part.shape)
        offset += _nbytes(part)


def _write(
    path: Path, about: Mapping[str, str], expected: list[Part], made: Iterator[tuple[Part, Array]]
) -> Generator[tuple[Part, int], None, None]:
    """Write all parts as they are made, under a temporary name until they are whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    evict(path.parent)
    with write_atomically(path, prefix=TEMPORARY) as file:
        _begin(file, _header(about, expected), _data_bytes(expected))
        written, sums = 0, b""
        for part, array in made:
            file.write(array.data)
            sums += _sums([array])
            written += array.nbytes
            yield part, written
        file.write(sums)


def _begin(file: BinaryIO, header: bytes, size: int) -> None:
    """Claim the space on disk where the system can, so that a full disk is told at once; write the header."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, len(header) + size)
    file.write(header)
