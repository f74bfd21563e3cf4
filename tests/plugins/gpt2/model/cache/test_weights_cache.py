"""Weights are converted once, and nothing that is not whole and right is ever mapped."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors

from plugins.gpt2.checkpoint.checkpoint import Checkpoint, open_checkpoint
from plugins.gpt2.model.cache import weights_cache
from plugins.gpt2.model.cache.weights_cache import VERSION, PackedWeights, cached, open_or_convert
from plugins.gpt2.model.constants import WEIGHT_NAMES, Weights
from plugins.gpt2.model.layout import NATIVE
from plugins.gpt2.model.packing import pack
from tools.random_checkpoint import RECIPES, write_checkpoint

Log = pytest.LogCaptureFixture
Convert = Callable[..., tuple[PackedWeights, int]]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    recipe = RECIPES["three-heads"]
    return open_checkpoint(str(write_checkpoint(tmp_path / "source", recipe.config, recipe.seed)))


@pytest.fixture
def convert(checkpoint: Checkpoint, tmp_path: Path) -> Convert:
    """Open or convert; tells how many parts had to be made."""

    def run(weights: Weights = "int8") -> tuple[PackedWeights, int]:
        converting, made = open_or_convert(checkpoint, weights, NATIVE, tmp_path / "cache"), 0
        while True:
            try:
                next(converting)
            except StopIteration as done:
                return done.value, made
            made += 1

    return run


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "weights").iterdir())


@pytest.mark.parametrize("weights", WEIGHT_NAMES)
def test_the_second_start_maps_what_the_first_converted(
    convert: Convert, checkpoint: Checkpoint, weights: Weights
) -> None:
    first, made = convert(weights)
    again, made_again = convert(weights)
    assert made > 20
    assert made_again == 0
    assert first.mapped
    assert again.mapped
    for part, array in pack(checkpoint, weights, NATIVE):
        np.testing.assert_array_equal(again.arrays[part.name], array)
        assert again.arrays[part.name].ctypes.data % 4 == 0


def test_a_system_that_knows_less_maps_the_same(
    convert: Convert, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_cache, "MADV_POPULATE_READ", 9999)  # as before Linux 5.14
    convert()
    again, made_again = convert()
    assert (again.mapped, made_again) == (True, 0)
    for part, array in pack(checkpoint, "int8", NATIVE):
        np.testing.assert_array_equal(again.arrays[part.name], array)


def test_each_choice_of_weights_has_a_file_of_its_own(convert: Convert, tmp_path: Path) -> None:
    for weights in WEIGHT_NAMES:
        convert(weights)
    assert len(kept(tmp_path)) == len(WEIGHT_NAMES)


def test_the_file_opens_with_the_safetensors_library_too(convert: Convert, tmp_path: Path) -> None:
    convert("int8")
    with safetensors.safe_open(str(kept(tmp_path)[0]), "numpy") as file:
        assert file.metadata()["weights"] == "int8"
        assert file.get_tensor("ln_f.weight").shape == (48,)


def test_other_source_weights_are_converted_anew(convert: Convert, tmp_path: Path) -> None:
    convert()
    recipe = RECIPES["three-heads"]
    changed = open_checkpoint(str(write_checkpoint(tmp_path / "source", recipe.config, seed=99)))
    assert cached(changed, "int8", NATIVE, tmp_path / "cache") != kept(tmp_path)[0]


@pytest.mark.parametrize("damage", ["cut", "version", "empty"])
def test_a_file_that_is_not_exactly_right_is_made_anew(convert: Convert, tmp_path: Path, damage: str) -> None:
    whole, _ = convert()
    path = kept(tmp_path)[0]
    good = path.read_bytes()
    if damage == "version":
        path.write_bytes(good.replace(b'"townhall":"%d"' % VERSION, b'"townhall":"0"'))
    else:
        path.write_bytes(good[:-1] if damage == "cut" else b"")
    again, made = convert()
    assert made > 20
    assert path.read_bytes() == good
    for name, array in whole.arrays.items():
        if damage == "version":  # the old map would be of a file that was overwritten in place
            np.testing.assert_array_equal(again.arrays[name].shape, array.shape)


@pytest.mark.parametrize("place", [0.5, 0.99, 1.0])
def test_a_flipped_bit_is_seen_before_it_becomes_a_text(
    convert: Convert, tmp_path: Path, caplog: Log, place: float
) -> None:
    convert()
    path = kept(tmp_path)[0]
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[int(place * (len(good) - 1))] ^= 16
    path.write_bytes(flipped)
    _, made = convert()
    assert made > 20
    assert path.read_bytes() == good
    assert f"{path} cannot be read (it changed on the disk); it is made anew" in caplog.text


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_cache_that_may_not_be_looked_into_is_done_without(
    convert: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Log
) -> None:
    is_file = Path.is_file

    def locked(path: Path) -> bool:
        if not path.is_relative_to(tmp_path / "cache"):
            return is_file(path)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "is_file", locked)
    monkeypatch.setattr(weights_cache, "write_atomically", refuse)
    packed, made = convert()
    assert made > 20
    assert not packed.mapped
    assert "they are converted at every start" in caplog.text


def test_a_full_disk_leaves_no_half_file_and_the_model_still_loads(
    convert: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(weights_cache, "_begin", full)
    packed, made = convert()
    assert kept(tmp_path) == []
    assert made > 20
    assert not packed.mapped
    assert packed.arrays["h.1.mlp.c_fc.weight"].dtype == np.int8
    assert "No space left on device" in caplog.text


def test_a_conversion_that_is_stopped_leaves_nothing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    converting = open_or_convert(checkpoint, "int8", NATIVE, tmp_path / "cache")
    next(converting)
    assert len(kept(tmp_path)) == 1  # under its temporary name
    converting.close()
    assert kept(tmp_path) == []


def test_what_a_killed_process_left_is_swept_away(convert: Convert, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / ".making-old").write_bytes(b"half")
    os.utime(folder / ".making-old", (0, 0))
    (folder / ".making-now").write_bytes(b"another process is at it")
    convert()
    assert [path.name for path in kept(tmp_path) if path.name.startswith(".")] == [".making-now"]


def test_what_was_not_used_for_a_month_makes_room(convert: Convert, tmp_path: Path) -> None:
    convert("fp16")
    convert("int8")
    for path in kept(tmp_path):
        os.utime(path, (0, 0))
    convert("fp16")  # uses its file
    convert("bf16")  # makes a new one
    assert sorted(path.name.split("-")[-2] for path in kept(tmp_path)) == ["bf16", "fp16"]
