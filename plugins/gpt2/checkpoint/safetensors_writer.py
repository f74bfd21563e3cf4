"""Write a ``.safetensors`` file, tensor by tensor: no copy of all of them in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4}
_OWN: dict[str, str] = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32"}


def encode_as(dtype: str, values: Array) -> bytes:
    """Return ``values`` as the bytes of ``dtype``; BF16 is rounded to nearest even. Raises ``ValueError``."""
    match dtype:
        case "F64":
            return values.astype("<f8").tobytes()
        case "F32":
            return values.astype("<f4").tobytes()
        case "F16":
            return values.astype("<f2").tobytes()
        case "I64":
            return values.astype("<i8").tobytes()
        case "I32":
            return values.astype("<i4").tobytes()
        case "BF16":
            bits = values.astype("<f4").view(np.uint32)
            return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    raise ValueError(f"dtype {dtype!r}: {', '.join(ITEM_BYTES)}")


def write_safetensors(
    file: BinaryIO, tensors: Mapping[str, Array], dtype: str | None = None, metadata: Mapping[str, str] | None = None
) -> None:
    """Write ``tensors`` as ``dtype``, each in its own where that is None. Raises OSError and ``ValueError``."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **(metadata or {})}}
    types = {name: dtype or _OWN[values.dtype.name] for name, values in tensors.items()}
    at = 0
    for name, values in tensors.items():
        size = math.prod(values.shape) * ITEM_BYTES[types[name]]
        header[name] = {"dtype": types[name], "shape": list(values.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name, values in tensors.items():
        file.write(encode_as(types[name], values))
