"""Read a ``pytorch_model.bin`` without running what is in it.

torch.save() writes a zip: ``data.pkl`` says which tensors there are, ``data/<key>`` holds their bytes, uncompressed.
The pickle is read by an unpickler that knows the handful of names which rebuild tensors and refuses every other, so
that no code of the file runs; the tensors are then mapped in place, like those of a safetensors file.
"""

from __future__ import annotations

import collections
import io
import math
import mmap
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.other_formats import file_is
from plugins.gpt2.checkpoint.safetensors_file import ITEM_SIZES
from plugins.gpt2.checkpoint.tensor_file import TensorFile, TensorRef

PICKLE_LIMIT = 16_000_000
"""Longest ``data.pkl`` in bytes; that of gpt2-xl has less than 100,000."""

_STORAGES = {
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "DoubleStorage": "F64",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}


@dataclass(frozen=True, slots=True)
class _StorageType:
    dtype: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    start: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _rebuild_tensor(storage: _Storage, start: int, shape: Any, stride: Any, *_: object) -> _Tensor:
    return _Tensor(storage, int(start), tuple(int(n) for n in shape), tuple(int(n) for n in stride))


def _rebuild_parameter(data: _Tensor, *_: object) -> _Tensor:
    return data


_ALLOWED: dict[tuple[str, str], Callable[..., Any] | _StorageType] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", name): _StorageType(dtype) for name, dtype in _STORAGES.items()},
}


class _TensorsOnly(pickle.Unpickler):
    """Knows the names in ``_ALLOWED`` and no other, so nothing of Python's can be called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}, which is not a tensor")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, count = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError(f"it refers to a {kind!r}, which is not a tensor's storage")
        return _Storage(str(key), storage_type.dtype, int(count))


def open_pickle(path: Path) -> TensorFile:
    """Map the tensors of ``path``. Raises :class:`CheckpointError` where it holds anything else."""
    try:
        with path.open("rb") as file:
            instead = file_is(file.read(256))
        if instead:
            raise CheckpointError(f"{path}: {instead}")
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            entries = {info.filename: info for info in archive.infolist()}
            listing = next((info for name, info in entries.items() if name.endswith("/data.pkl")), None)
            if listing is None or listing.file_size > PICKLE_LIMIT:
                raise ValueError("there is no data.pkl of a sensible size in it")
            described = archive.read(listing)
            tensors = _TensorsOnly(io.BytesIO(described)).load()
            if not isinstance(tensors, dict):
                raise ValueError(f"it holds a {type(tensors).__name__}, not tensors by name")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            folder = listing.filename.removesuffix("data.pkl")
            refs = {
                str(name): _ref(path, mapped, str(name), tensor, entries.get(f"{folder}data/{tensor.storage.key}"))
                for name, tensor in tensors.items()
                if isinstance(tensor, _Tensor)
            }
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"{path}: not a zip as torch.save() writes it since 1.6, or truncated. Download it again, or save the "
            "model with save_pretrained() of a current transformers."
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise CheckpointError(
            f"{path}: not read: {error}. Choose a checkpoint with model.safetensors from a place you trust."
        ) from error
    return TensorFile(path, refs, described, path.stat().st_size)


def _ref(path: Path, mapped: mmap.mmap, name: str, tensor: _Tensor, entry: zipfile.ZipInfo | None) -> TensorRef:
    size = ITEM_SIZES[tensor.storage.dtype]
    count = math.prod(tensor.shape)
    if entry is None or entry.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(f"{path}: the bytes of tensor {name} are missing or compressed. Download it again.")
    if min((tensor.start, *tensor.shape)) < 0 or (tensor.start + count) * size > entry.file_size:
        raise CheckpointError(
            f"{path}: tensor {name} of shape {tensor.shape} reaches beyond its {entry.file_size} bytes. "
            "Download it again."
        )
    if not _is_contiguous(tensor):
        raise CheckpointError(f"{path}: tensor {name} is not contiguous. Save it with save_pretrained() again.")
    lengths = mapped[entry.header_offset + 26 : entry.header_offset + 30]  # of the name and of the extra field
    data = entry.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    if data + entry.file_size > len(mapped):
        raise CheckpointError(f"{path}: it is truncated: tensor {name} ends beyond the file. Download it again.")
    offset = data + tensor.start * size
    return TensorRef(name, tensor.storage.dtype, tensor.shape, count * size, path, offset, mapped)


def _is_contiguous(tensor: _Tensor) -> bool:
    step = 1
    for length, stride in zip(reversed(tensor.shape), reversed(tensor.stride), strict=True):
        if length != 1 and stride != step:
            return False
        step *= length
    return True
