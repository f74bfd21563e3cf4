"""Read a ``.safetensors`` file through a read-only map, believing nothing that its header says.

Format: https://huggingface.co/docs/safetensors (8 bytes little-endian header length, a JSON header, the tensors'
bytes without holes). Every check here happens before a single tensor is read, and none of them takes memory of the
tensors' size. The file is opened read-only, so a read-only model folder serves.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugins.gpt2.checkpoint.errors import CheckpointError, Truncated
from plugins.gpt2.checkpoint.other_formats import file_is
from plugins.gpt2.checkpoint.tensor_file import TensorFile, TensorRef

MOST_AXES = 64
"""As many as NumPy takes; the product of thousands of sizes could not even be printed."""
HEADER_LIMIT = 100_000_000
"""Longest header in bytes; the bound of the safetensors library itself."""

ITEM_SIZES: dict[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}
"""Bytes per element of the format's types."""


def open_safetensors(path: Path) -> TensorFile:
    """Map ``path`` and check its header against the file. Raises :class:`CheckpointError`, :class:`Truncated`."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if instead := file_is(file.read(256)):
                raise CheckpointError(f"{path}: {instead}")
            file.seek(0)
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8:
                raise _truncated(path, f"{size} bytes, not even the header's length")
            if length > HEADER_LIMIT:
                raise _broken(
                    path, f"its header would be {length} bytes long, more than {HEADER_LIMIT}: not safetensors"
                )
            if 8 + length > size:
                raise _truncated(path, f"the header needs {8 + length} bytes, the file has {size}")
            header = file.read(length)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read: {error.strerror or error}. Check the path and its rights."
        ) from error
    entries = _parse(path, header)
    refs = {name: _ref(path, mapped, 8 + length, name, entry) for name, entry in entries.items()}
    _check_layout(path, refs, data_start=8 + length, size=size)
    return TensorFile(path, refs, header, size)


def _broken(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path}: {what}. Download or copy the file again.")


def _truncated(path: Path, what: str) -> Truncated:
    return Truncated(f"{path}: it is truncated: {what}. Download or copy the file again.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _parse(path: Path, header: bytes) -> dict[str, Any]:
    """Return the header's tensor entries, without ``__metadata__``."""
    try:
        parsed = json.loads(header.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"its header is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise _broken(path, "its header is not a JSON object")
    parsed.pop("__metadata__", None)
    return parsed


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _ref(path: Path, mapped: mmap.mmap, data_start: int, name: str, entry: Any) -> TensorRef:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _broken(path, f"tensor {name}: its entry is not dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise _broken(path, f"tensor {name}: unknown dtype {dtype!r}, known are {', '.join(ITEM_SIZES)}")
    if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(_is_size(n) for n in shape):
        raise _broken(path, f"tensor {name}: shape {str(shape)[:100]} is not a list of up to {MOST_AXES} sizes")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_size(n) for n in offsets):
        raise _broken(path, f"tensor {name}: data_offsets {offsets!r} are not [begin, end]")
    begin, end = offsets
    nbytes = math.prod(shape) * ITEM_SIZES[dtype]
    if end - begin != nbytes:
        raise _broken(
            path, f"tensor {name}: {dtype} {tuple(shape)} takes {nbytes} bytes, data_offsets give {end - begin}"
        )
    if math.prod(n or 1 for n in shape) * ITEM_SIZES[dtype] >= 2**63:  # nothing of something too large: NumPy refuses
        raise _broken(path, f"tensor {name}: shape {tuple(shape)} is larger than any memory")
    return TensorRef(name, dtype, tuple(shape), nbytes, path, data_start + begin, mapped)


def _check_layout(path: Path, refs: Mapping[str, TensorRef], *, data_start: int, size: int) -> None:
    """Refuse tensors that overlap, leave holes, or reach beyond the file."""
    at, before = data_start, "the header"
    for ref in sorted(refs.values(), key=lambda ref: (ref.offset, ref.nbytes)):
        if ref.offset + ref.nbytes > size:
            raise _truncated(path, f"tensor {ref.name} ends at byte {ref.offset + ref.nbytes}, the file has {size}")
        if ref.offset != at:
            what = "overlaps with" if ref.offset < at else "leaves a hole after"
            raise _broken(path, f"tensor {ref.name} {what} {before} (byte {ref.offset}, expected {at})")
        at, before = ref.offset + ref.nbytes, ref.name
    if at != size:
        raise _broken(path, f"{size - at} bytes follow the last tensor that no entry names")
