from __future__ import annotations

from pathlib import Path

import pytest

from plugins.gpt2 import memory
from plugins.gpt2.doctor import checks
from plugins.gpt2.model import compiler
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.plugins import Check

CLANG = compiler.Compiler("/usr/bin/clang", "clang", "clang version 17")


@pytest.fixture(autouse=True)
def found_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "choose", lambda: CLANG)


def lines(**settings: object) -> dict[str, Check]:
    return {check.name: check for check in checks(GPT2Settings.model_validate(settings))}


def test_with_the_embedded_model_everything_is_there() -> None:
    found = lines()
    assert all(check.ok and not check.cure for check in found.values())
    assert "clang version 17" in found["gpt2 compiler"].detail
    assert "townhall-mini (10M parameters)" in found["gpt2 model"].detail


def test_without_a_compiler_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> compiler.Compiler:
        raise compiler.NoCompiler("no C compiler works")

    monkeypatch.setattr(compiler, "choose", none)
    failing = lines()["gpt2 compiler"]
    assert not failing.ok
    assert "apt install clang" in failing.cure
    assert lines(device="CUDA")["gpt2 compiler"].ok  # (which needs none)


def test_a_broken_model_folder_is_named_with_its_cure(tmp_path: Path) -> None:
    failing = lines(model=str(tmp_path))["gpt2 model"]
    assert not failing.ok
    assert str(tmp_path) in failing.detail
    assert failing.cure


def test_a_model_that_is_not_here_yet_can_be_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert "townhall models download gpt2" in lines(model="gpt2")["gpt2 model"].detail


def test_too_little_memory_is_told_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000_000)
    failing = lines()["gpt2 memory"]
    assert not failing.ok
    assert "10 MB are free" in failing.detail
    assert "TOWNHALL_GPT2_WEIGHTS" in failing.cure
