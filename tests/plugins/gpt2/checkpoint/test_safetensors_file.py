"""A safetensors file is believed only where it agrees with itself and with its own size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.safetensors_file import open_safetensors
from tools.random_checkpoint import safetensors_bytes


def write(path: Path, header: str | dict[str, Any], data: bytes = b"") -> Path:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(shape: list[Any], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize(("dtype", "tolerance"), [("F32", 0.0), ("F16", 2**-11), ("BF16", 2**-8)])
def test_what_was_written_is_read_back(path: Path, dtype: str, tolerance: float) -> None:
    values = np.random.default_rng(1).standard_normal((3, 5)).astype(np.float32)
    path.write_bytes(safetensors_bytes({"a": values, "b": values * 2}, dtype))

    file = open_safetensors(path)

    read = file.tensors["b"].numpy()
    assert read.shape == (3, 5)
    assert read.dtype == (np.float16 if dtype == "F16" else np.float32)
    np.testing.assert_allclose(read, values * 2, rtol=tolerance)
    assert file.size == path.stat().st_size


def test_bfloat16_keeps_infinities_and_signs(path: Path) -> None:
    values = np.array([0.0, -0.0, np.inf, -np.inf, 1.0, -2.5], np.float32)
    path.write_bytes(safetensors_bytes({"a": values}, "BF16"))
    read = open_safetensors(path).tensors["a"].numpy()
    assert read.tobytes() == values.tobytes()


def test_views_are_read_only_and_outlive_the_file_object(path: Path) -> None:
    path.write_bytes(safetensors_bytes({"a": np.ones((2, 2))}))
    values = open_safetensors(path).tensors["a"].numpy()
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 2
    assert values.sum() == 4


def test_a_file_without_alignment_is_read_all_the_same(path: Path) -> None:
    header = json.dumps({"a": entry([2], 0, 8)})
    header += " " * (1 - len(header) % 2)  # an odd length
    write(path, header, np.array([1.5, -3], "<f4").tobytes())
    assert open_safetensors(path).tensors["a"].numpy().tolist() == [1.5, -3.0]


def test_an_unreadable_type_is_named_when_it_is_read(path: Path) -> None:
    write(path, {"a": entry([1], 0, 8, "I64")}, bytes(8))
    with pytest.raises(CheckpointError, match=r"model\.safetensors: tensor a is I64.*F32, F16, BF16"):
        open_safetensors(path).tensors["a"].numpy()


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors: cannot be read: No such file"):
        open_safetensors(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        open_safetensors(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 8, 40, -1])
def test_a_truncated_file_is_called_truncated(path: Path, kept: int) -> None:
    whole = safetensors_bytes({"a": np.ones((4, 4))})
    path.write_bytes(whole[:kept])
    with pytest.raises(CheckpointError, match=r"it is truncated.*Download or copy the file again"):
        open_safetensors(path)


@pytest.mark.parametrize(
    ("header", "data", "complaint"),
    [
        ("not json", 0, "not valid JSON"),
        ("[]", 0, "not a JSON object"),
        ("[" * 100_000, 0, "not valid JSON"),
        ('{"a": 1, "a": 2}', 0, "'a' is there twice"),
        ({"a": [1]}, 0, "tensor a: its entry"),
        ({"a": entry([1], 0, 4) | {"more": 1}}, 4, "tensor a: its entry"),
        ({"a": entry([1], 0, 4, "F7")}, 4, "tensor a: unknown dtype 'F7'"),
        ({"a": entry([-1], 0, 4)}, 4, "tensor a: shape"),
        ({"a": entry([1.0], 0, 4)}, 4, "tensor a: shape"),
        ({"a": entry([True], 0, 4)}, 4, "tensor a: shape"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}, 4, "tensor a: data_offsets"),
        ({"a": entry([2], 0, 4)}, 4, r"tensor a: F32 \(2,\) takes 8 bytes, data_offsets give 4"),
        ({"a": entry([1], 4, 0)}, 4, "takes 4 bytes, data_offsets give -4"),
        ({"a": entry([2**40, 2**40], 0, 2**63 - 1)}, 4, "takes 4835703278458516698824704 bytes"),
        ({"a": entry([2**62] * 5000, 0, 4)}, 4, "tensor a: shape .* is not a list of up to 64 sizes"),
        ({"a": entry([2**62, 0], 0, 0)}, 0, r"tensor a: shape \(4611686018427387904, 0\) is larger than any memory"),
        ({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, 12, "tensor b overlaps with a"),
        ({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, 12, "tensor b leaves a hole after a"),
        ({"a": entry([1], 4, 8)}, 8, "tensor a leaves a hole after the header"),
        ({"a": entry([1], 0, 4)}, 9, "5 bytes follow the last tensor"),
        ({"a": entry([1], 0, 4), "b": entry([2**30], 4, 4 + 2**32)}, 4, "truncated: tensor b ends at byte"),
    ],
)
def test_a_header_that_contradicts_itself_or_the_file_is_refused(
    path: Path, header: str | dict[str, Any], data: int, complaint: str
) -> None:
    write(path, header, bytes(data))
    with pytest.raises(CheckpointError, match=complaint) as refusal:
        open_safetensors(path)
    assert str(path) in str(refusal.value)


def test_a_header_of_absurd_length_is_not_read(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="header would be 4611686018427387904 bytes"):
        open_safetensors(path)


def test_an_empty_tensor_is_a_tensor(path: Path) -> None:
    write(path, {"a": entry([0, 3], 0, 0), "b": entry([1], 0, 4)}, bytes(4))
    assert open_safetensors(path).tensors["a"].numpy().shape == (0, 3)
