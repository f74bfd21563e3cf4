"""A ``pytorch_model.bin`` is read only when asked for, and nothing in it ever runs."""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.checkpoint.checkpoint import CheckpointError, open_checkpoint
from plugins.gpt2.checkpoint.files import lacking_files
from plugins.gpt2.checkpoint.pickle_file import open_pickle
from plugins.gpt2.checkpoint.safetensors_writer import encode_as
from plugins.gpt2.model.constants import GPT2Config
from tests.plugins.gpt2.checkpoint.small_hub import REPO, SmallHub
from tools.random_checkpoint import random_weights, write_checkpoint

CONFIG = GPT2Config(1, 1, 4, 5, 257, 16, end_of_text=256)
STORAGES = {"F64": "DoubleStorage", "F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage"}


class Rebuilt:
    """Pickles as torch's tensors do: a call of ``torch._utils._rebuild_tensor_v2``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Any, Any]:
        return self.reduced


@pytest.fixture
def torch_names(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """What pickle needs to write torch's names without torch: modules that have them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    made: dict[str, Any] = {}
    for name in STORAGES.values():
        made[name] = type(name, (), {"__module__": "torch"})
        setattr(torch, name, made[name])

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    made["rebuild"] = utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined] # a module made here
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return types.SimpleNamespace(**made)


Save = Callable[..., Path]


@pytest.fixture
def save(torch_names: types.SimpleNamespace, tmp_path: Path) -> Save:
    """Write tensors as torch.save() does since 1.6."""

    def write(
        path: Path,
        tensors: dict[str, Any],
        *,
        dtype: str = "F32",
        method: int = zipfile.ZIP_STORED,
        change: Callable[[list[Any]], None] = lambda arguments: None,
    ) -> Path:
        class Pickler(pickle.Pickler):
            def persistent_id(self, thing: Any) -> Any:
                return thing if isinstance(thing, tuple) and thing[:1] == ("storage",) else None

        described: dict[str, Any] = collections.OrderedDict()
        for key, (name, values) in enumerate(tensors.items()):
            if not isinstance(values, np.ndarray):
                described[name] = values
                continue
            storage = ("storage", getattr(torch_names, STORAGES[dtype]), str(key), "cpu", values.size)
            steps = [int(np.prod(values.shape[axis + 1 :])) for axis in range(values.ndim)]
            arguments = [storage, 0, values.shape, tuple(steps), False, collections.OrderedDict()]
            change(arguments)
            described[name] = Rebuilt(torch_names.rebuild, *arguments)
        listing = io.BytesIO()
        Pickler(listing, protocol=2).dump(described)
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("archive/data.pkl", listing.getvalue())
            for key, values in enumerate(tensors.values()):
                if isinstance(values, np.ndarray):
                    archive.writestr(f"archive/data/{key}", encode_as(dtype, values))
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "old", CONFIG, seed=1)
    (tmp_path / "old/model.safetensors").unlink()
    return tmp_path / "old"


@pytest.mark.parametrize(("dtype", "tolerance"), [("F64", 0), ("F32", 0), ("F16", 2**-10), ("BF16", 2**-8)])
def test_with_the_opt_in_the_tensors_are_read(folder: Path, save: Save, dtype: str, tolerance: float) -> None:
    weights = random_weights(CONFIG, 1)
    head = {"lm_head.weight": weights["wte.weight"]}  # always saved by torch, tied or not
    save(folder / "pytorch_model.bin", {f"transformer.{k}": v for k, v in weights.items()} | head, dtype=dtype)
    with open_checkpoint(str(folder), allow_pickle=True) as checkpoint:
        assert checkpoint.config == CONFIG
        assert checkpoint.fingerprint
        for name, values in weights.items():
            np.testing.assert_allclose(checkpoint.tensors[name].numpy(), values, rtol=tolerance, atol=tolerance / 100)


def shards_of(folder: Path, save: Save) -> dict[str, Any]:
    weights = random_weights(CONFIG, 1)
    places = {name: f"pytorch_model-0000{number % 2 + 1}-of-00002.bin" for number, name in enumerate(weights)}
    for place in set(places.values()):
        save(folder / place, {name: values for name, values in weights.items() if places[name] == place})
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    return weights


def test_pickles_in_shards_are_read_as_one(folder: Path, save: Save) -> None:
    weights = shards_of(folder, save)
    with open_checkpoint(str(folder), allow_pickle=True) as checkpoint:
        for name, values in weights.items():
            np.testing.assert_array_equal(checkpoint.tensors[name].numpy(), values)
    with pytest.raises(CheckpointError, match="A pickle is a program"):
        open_checkpoint(str(folder))
    assert lacking_files(folder, allow_pickle=True) == []
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    assert lacking_files(folder, allow_pickle=True) == ["pytorch_model-00002-of-00002.bin"]


def test_without_the_opt_in_it_is_refused_and_says_why(folder: Path, save: Save) -> None:
    save(folder / "pytorch_model.bin", random_weights(CONFIG, 1))
    with pytest.raises(CheckpointError, match=r"A pickle is a program.*TOWNHALL_GPT2_ALLOW_PICKLE=true"):
        open_checkpoint(str(folder))


def test_safetensors_are_preferred(folder: Path, save: Save) -> None:
    save(folder / "pytorch_model.bin", {"wte.weight": np.ones((1, 1))})
    write_checkpoint(folder, CONFIG, seed=1)
    open_checkpoint(str(folder), allow_pickle=True).close()


def test_from_the_hub_it_comes_only_with_the_opt_in(small_hub: SmallHub, folder: Path, save: Save) -> None:
    save(folder / "pytorch_model.bin", random_weights(CONFIG, 1))
    small_hub.repos[REPO] = folder
    with pytest.raises(CheckpointError, match=f"{REPO} has only pytorch_model"):
        open_checkpoint(REPO)
    assert small_hub.gets(".bin") == []
    open_checkpoint(REPO, allow_pickle=True).close()
    assert len(small_hub.gets(".bin")) == 1


@pytest.mark.parametrize(
    ("evil", "name"),
    [
        ((os.system, "touch {mark}"), r"posix\.system"),
        ((eval, "open({mark!r}, 'w')"), r"__builtin__\.eval"),
        ((getattr, "a", "b"), r"__builtin__\.getattr"),
    ],
)
def test_a_pickle_that_wants_to_run_something_is_refused_before_it_does(
    tmp_path: Path, save: Save, evil: tuple[Any, ...], name: str
) -> None:
    mark = tmp_path / "mark"
    function, *arguments = evil
    path = save(tmp_path / "evil.bin", {"a": Rebuilt(function, *(text.format(mark=str(mark)) for text in arguments))})
    with pytest.raises(CheckpointError, match=rf"evil\.bin: not read: it wants to run {name}"):
        open_pickle(path)
    assert not mark.exists()


def replacing(index: int, value: Any) -> Callable[[list[Any]], None]:
    def change(arguments: list[Any]) -> None:
        arguments[index] = value

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (replacing(1, 3), r"tensor a of shape \(2, 3\) reaches beyond its 24 bytes"),
        (replacing(1, -1), "reaches beyond"),
        (replacing(2, (2**40, 3)), "reaches beyond"),
        (replacing(2, (-2, -3)), "reaches beyond"),
        (replacing(3, (1, 2)), "tensor a is not contiguous"),
        (replacing(3, (1,)), "not read"),
        (replacing(0, "text"), "not read"),
    ],
)
def test_a_tensor_that_lies_about_its_place_is_refused(
    tmp_path: Path, save: Save, change: Callable[[list[Any]], None], complaint: str
) -> None:
    path = save(tmp_path / "a.bin", {"a": np.ones((2, 3))}, change=change)
    with pytest.raises(CheckpointError, match=complaint):
        open_pickle(path)


def test_compressed_truncated_and_older_files_are_refused(tmp_path: Path, save: Save) -> None:
    path = save(tmp_path / "a.bin", {"a": np.ones((20, 30))}, method=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="missing or compressed"):
        open_pickle(path)
    whole = save(tmp_path / "b.bin", {"a": np.ones((20, 30))}).read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match="or truncated"):
        open_pickle(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CheckpointError, match=r"since 1\.6"):
        open_pickle(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1, 2]))
    with pytest.raises(CheckpointError, match="holds a list, not tensors by name"):
        open_pickle(path)


def test_a_description_that_unpacks_to_many_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.bin"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(20_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(CheckpointError, match=r"no data\.pkl of a sensible size"):
        open_pickle(path)


def test_a_directory_that_says_more_than_the_file_holds_is_refused(tmp_path: Path, save: Save) -> None:
    def enlarge(arguments: list[Any]) -> None:
        arguments[2], arguments[3] = (2**14, 2**14), (2**14, 1)

    path = save(tmp_path / "a.bin", {"a": np.ones((2, 3))}, change=enlarge)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"archive/data/0"))  # the zip's own list of its files
    content[entry + 20 : entry + 28] = 2 * (2**30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="tensor a ends beyond the file"):
        open_pickle(path)
