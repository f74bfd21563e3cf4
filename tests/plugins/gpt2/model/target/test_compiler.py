"""The model runs with the clang on PATH, with zig's where there is none, and with what CC names; else it says why."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from plugins.gpt2.cli import generate
from plugins.gpt2.model.target import compiler
from plugins.gpt2.model.target.compiler import cache_folder  # itself: tests have a folder of their own
from tests.installation import Installation
from tools.random_checkpoint import RECIPES, write_checkpoint

CLANG = shutil.which("clang")
needs_clang = pytest.mark.skipif(CLANG is None, reason="there is no clang on PATH")
GREEDY = ("--prompt", "My fellow citizens", "--count", "12", "--temperature", "0", "--weights", "fp32")


@pytest.fixture(autouse=True)
def fresh_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test choose anew, and put the environment back afterwards."""
    importlib.import_module("tinygrad.helpers")  # has read its part of it from here on
    for name in ("CC", "ZIG", "CACHEDB", "PARALLEL", "JIT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")  # empty counts as unset; what use() writes there is taken back
    choose = compiler.choose
    choose.cache_clear()
    yield
    choose.cache_clear()


@pytest.fixture
def no_clang(tmp_path: Path) -> Path:
    """A folder for PATH that holds no compiler."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def townhall(home: Path, *arguments: str, path: str, cc: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program as a new user would: without settings, with an empty kernel cache."""
    ours = ("TOWNHALL_", "XDG_", "HF_", "CC", "CACHEDB", "PARALLEL", "JIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = kept | {"HOME": str(home), "PATH": path, "PYTHONPATH": str(Path(__file__).parents[5])}
    return subprocess.run(
        [sys.executable, "-m", "townhall_bot", *arguments],
        cwd=home,
        env=environment if cc is None else environment | {"CC": cc},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def text_of(json_line: str) -> str:
    written = json.loads(json_line)
    assert (written["new_tokens"], written["finish_reason"]) == (12, "length")
    return str(written["text"])


@needs_clang
def test_the_same_text_comes_from_clang_and_without_it_from_zig(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiler.choose().kind == "clang"  # as where this process imported tinygrad
    assert generate.main([*GREEDY, "--json"]) == 0
    text = text_of(capsys.readouterr().out)
    assert text.startswith("My fellow citizens")
    assert len(text) > len("My fellow citizens") + 10
    with installation.alone():
        without = installation.run(tmp_path, "townhall", "gpt2", *GREEDY, "--json")
    assert without.returncode == 0, without.stderr
    assert text_of(without.stdout) == text


def test_the_doctor_shows_the_choice(tmp_path: Path, no_clang: Path) -> None:
    lines = townhall(tmp_path, "doctor", path=str(no_clang)).stdout.splitlines()
    line = next(line for line in lines if "gpt2 compiler" in line)
    assert line.startswith("ok    gpt2 compiler: zig (")
    assert "clang version" in line


@needs_clang
def test_a_clang_on_path_is_chosen_before_zigs() -> None:
    chosen = compiler.choose()
    assert (chosen.kind, chosen.path) == ("clang", CLANG)
    assert "clang" in chosen.version


def test_a_clang_that_does_not_work_is_passed_over(monkeypatch: pytest.MonkeyPatch, no_clang: Path) -> None:
    script(no_clang / "clang", "echo 'error: unknown target CPU' >&2; exit 1")
    monkeypatch.setenv("PATH", str(no_clang))
    assert compiler.choose().kind == "zig"


def test_without_any_compiler_everything_that_was_tried_is_told(
    monkeypatch: pytest.MonkeyPatch, no_clang: Path
) -> None:
    broken = script(no_clang / "clang", "echo 'error: unknown target CPU' >&2; exit 1")
    monkeypatch.setenv("PATH", str(no_clang))
    monkeypatch.setattr(compiler, "ZIG_CLANG", no_clang / "missing")
    with pytest.raises(compiler.NoCompiler) as raised:
        compiler.choose()
    message = str(raised.value)
    assert f"{broken}: error: unknown target CPU" in message
    assert "zig clang (" in message
    assert "Install clang (apt install clang), or pip install ziglang." in message


def test_a_compiler_that_has_made_kernels_here_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = compiler.choose()
    own = script(tmp_path / "my-clang", f'echo "$@" >> {tmp_path}/calls; exec {real.path} "$@"')
    monkeypatch.setattr(compiler, "cache_folder", lambda: tmp_path)

    def calls_of_a_start() -> int:
        (tmp_path / "calls").write_text("")
        compiler.choose.cache_clear()
        monkeypatch.setenv("CC", str(own))
        monkeypatch.setenv("CACHEDB", "")
        compiler.use()
        return len((tmp_path / "calls").read_text().splitlines())

    assert calls_of_a_start() == 2
    Path(os.environ["CACHEDB"]).touch()  # tinygrad has made a kernel
    assert calls_of_a_start() == 1


def test_a_gpu_is_not_held_up_by_a_compiler_that_does_not_work(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOWNHALL_GPT2_DEVICE=CUDA:99\n")  # which no machine has: it is looked for
    run = townhall(tmp_path, "gpt2", *GREEDY, path=os.environ["PATH"], cc="no-such-compiler")
    assert run.returncode == 1
    assert "tinygrad cannot open the device 'CUDA:99'" in run.stderr
    assert "no-such-compiler" not in run.stderr


@pytest.mark.skipif("GPT2_TEST_DEVICE" not in os.environ, reason="GPT2_TEST_DEVICE names no GPU (CUDA, CL, …)")
def test_a_gpu_runs_the_model_without_a_compiler(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"TOWNHALL_GPT2_DEVICE={os.environ['GPT2_TEST_DEVICE']}\n")
    run = townhall(tmp_path, "gpt2", *GREEDY, path=os.environ["PATH"], cc="no-such-compiler")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("My fellow citizens")


def test_cc_is_used_for_every_kernel(tmp_path: Path, no_clang: Path) -> None:
    real = compiler.choose()
    own = script(tmp_path / "my-clang", f'echo "$@" >> {tmp_path}/calls; exec {real.path} "$@"')
    recipe = RECIPES["three-heads"]
    small = write_checkpoint(tmp_path / "small", recipe.config, recipe.seed)
    options = ("--model_size", str(small), "--count", "2", "--temperature", "0", "--weights", "fp32")
    run = townhall(tmp_path, "gpt2", "--prompt", "a", *options, path=str(no_clang), cc=str(own))
    assert run.returncode == 0, run.stderr
    probes = 2
    assert len((tmp_path / "calls").read_text().splitlines()) > probes + 5


@pytest.mark.parametrize("broken", ["no-such-compiler", "false"])
def test_a_cc_that_does_not_work_stops_the_model_with_the_cure(tmp_path: Path, broken: str) -> None:
    run = townhall(tmp_path, "gpt2", *GREEDY, path=os.environ["PATH"], cc=broken)
    assert run.returncode == 1
    assert run.stdout == ""
    assert f"townhall gpt2: CC={broken} does not compile Townhall's kernels: " in run.stderr
    assert "Unset CC, or point it at clang 14 or later." in run.stderr
    assert "Traceback" not in run.stderr


def test_a_cc_that_does_not_work_fails_the_doctor_with_the_cure(tmp_path: Path) -> None:
    report = townhall(tmp_path, "doctor", path=os.environ["PATH"], cc="no-such-compiler")
    assert report.returncode == 1
    lines = report.stdout.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("FAIL  gpt2 compiler: CC=no-such-compiler"))
    assert lines[at + 1].strip().startswith("cure: ")


def test_kernels_of_another_compiler_are_not_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    places = set()
    for version in ("clang version 17", "clang version 18"):
        os.environ["CACHEDB"] = ""
        monkeypatch.setattr(compiler, "choose", lambda version=version: compiler.Compiler("clang", "clang", version))
        compiler.use()
        places.add(os.environ["CACHEDB"])
    assert len(places) == 2
    assert all(Path(place).is_absolute() for place in places)


def test_a_kernel_cache_that_the_host_names_is_kept(tmp_path: Path) -> None:
    os.environ["CACHEDB"] = str(tmp_path / "mine.db")
    compiler.use()
    assert os.environ["CACHEDB"] == str(tmp_path / "mine.db")


@pytest.mark.parametrize("version", ["raises", "returns what it was given"])
def test_a_user_without_a_home_is_told_where_a_cache_may_be(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> Path:
        if version == "raises":
            raise RuntimeError("Could not determine home directory.")
        return Path("~/.cache") / name

    monkeypatch.setattr(platformdirs, "user_cache_path", nowhere)
    with pytest.raises(compiler.NoCacheFolder, match=r"no home folder.*Set XDG_CACHE_HOME \(or HOME\)"):
        cache_folder()
