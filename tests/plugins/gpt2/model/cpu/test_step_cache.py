"""Captured steps outlive the process that captured them, and nothing but the right ones is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plugins.gpt2.model.target import compiler

compiler.use()

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint  # noqa: E402 - as above
from plugins.gpt2.model import build, device  # noqa: E402 - as above
from plugins.gpt2.model.cpu import step_cache  # noqa: E402 - as above
from plugins.gpt2.model.cpu.graph import CPUGraph, team_of  # noqa: E402 - as above
from plugins.gpt2.model.gpt2 import GPT2, load  # noqa: E402 - as above
from plugins.gpt2.model.steps import JitStep  # noqa: E402 - as above
from tools.random_checkpoint import RECIPES, write_checkpoint  # noqa: E402 - as above

TOKENS = [5, 17, 3, 200, 41]

Load = Callable[[], GPT2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(compiler, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "steps"


@pytest.fixture
def load_model(tmp_path: Path, folder: Path) -> Load:
    recipe = RECIPES["three-heads"]
    source = write_checkpoint(tmp_path / "source", recipe.config, recipe.seed)

    def run() -> GPT2:
        with open_checkpoint(str(source)) as checkpoint:
            return load(checkpoint, weights="fp32", rows=2)

    return run


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many slots each step had that was captured and not read from the cache."""
    seen: list[int] = []
    original = JitStep.__init__

    def counted(self: JitStep, network: object, slots: int, *more: object) -> None:
        seen.append(slots)
        original(self, network, slots, *more)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(JitStep, "__init__", counted)
    return seen


def test_the_second_start_captures_nothing_and_gives_the_same_numbers(load_model: Load, captures: list[int]) -> None:
    first = load_model().prefill(0, TOKENS, 0)
    assert captures
    captures.clear()
    np.testing.assert_array_equal(load_model().prefill(0, TOKENS, 0), first)
    assert captures == []


def test_the_second_start_puts_no_network_together(load_model: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_model().prefill(0, TOKENS, 0)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is captured, so nobody needs it")

    monkeypatch.setattr(build, "Linear", refuse)
    np.testing.assert_array_equal(load_model().prefill(0, TOKENS, 0), first)


def test_a_broken_file_is_captured_anew(
    load_model: Load, folder: Path, captures: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    first = load_model().prefill(0, TOKENS, 0)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:200])
    captures.clear()
    np.testing.assert_array_equal(load_model().prefill(0, TOKENS, 0), first)
    assert captures
    assert "captured anew" in caplog.text
    captures.clear()
    load_model()
    assert captures == []


@pytest.mark.parametrize("damage", ["empty", "a bit of code", "its list", "a folder"])
def test_whatever_the_damage_a_step_is_captured_anew(
    load_model: Load, folder: Path, captures: list[int], caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    first = load_model().prefill(0, TOKENS, 0)
    for path in folder.iterdir():
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2 if damage == "a bit of code" else -60] ^= 4
        path.unlink()
        if damage == "a folder":
            path.mkdir()
        else:
            path.write_bytes(b"" if damage == "empty" else whole)
    captures.clear()
    np.testing.assert_array_equal(load_model().prefill(0, TOKENS, 0), first)
    assert captures
    said = [record for record in caplog.records if "captured anew" in record.message]
    assert len(said) == 1
    captures.clear()
    load_model()
    assert bool(captures) == (damage == "a folder")


def test_another_version_of_the_code_captures_its_own(
    load_model: Load, captures: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_model()
    captures.clear()
    monkeypatch.setattr(device, "TINYGRAD_VERSION", "0.15.0")
    load_model()
    assert captures


def test_a_cache_that_cannot_be_written_costs_time_only(
    load_model: Load, folder: Path, captures: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where a folder should be")
    model = load_model()
    assert model.prefill(0, TOKENS, 0).shape == (257,)
    assert len(captures) > 1
    assert len([record for record in caplog.records if "cannot be kept" in record.message]) == 1


def test_a_recording_for_another_model_is_refused(load_model: Load) -> None:
    model = load_model()
    recording = step_cache.Recording(
        (), (("h.9.mlp.c_fc.weight", 10),), np.zeros((0, 18), np.uint64), np.zeros((0, 12), np.int32)
    )
    with pytest.raises(ValueError, match=r"uses h\.9\.mlp\.c_fc\.weight, which this model does not have"):
        step_cache.TableStep(recording, {}, 1, 1, team_of(1))
    assert model.token_cost.kernels == 2 * 7 + 3


WITHOUT_EFFECT = {"target.device_plan", "cache.cache_dir", "cache.kernel_cache", "cache.weights_cache", "cpu.drawing"}
"""What the network imports and no captured step depends on; what lies in ``cache/``, and what draws behind a step."""


def test_a_step_is_named_after_every_file_that_shapes_it_and_no_other() -> None:
    package = "plugins.gpt2.model."
    reached, to_read = set[str](), ["build", "cpu.step_cache"]
    while to_read:
        module = to_read.pop()
        path = step_cache.FOLDER / (module.replace(".", "/") + ".py")
        if module in reached | WITHOUT_EFFECT or not path.exists():
            continue
        reached.add(module)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(package):
                inner = f"{node.module}.".removeprefix(package)
                to_read += [inner.rstrip("."), *(inner + alias.name for alias in node.names)]
    assert {name.removesuffix(".py").replace("/", ".") for name in step_cache.SOURCES} == reached


def test_a_graph_whose_making_failed_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    graph = CPUGraph.__new__(CPUGraph)  # as one whose arguments were refused
    del graph
    assert not said
