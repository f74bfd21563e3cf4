from __future__ import annotations

from pathlib import Path

import pytest

from plugins.gpt2.doctor import checks
from plugins.gpt2.model.target import compiler, device_plan
from plugins.gpt2.settings import GPT2Settings
from tools.random_checkpoint import RECIPES, write_checkpoint
from townhall_bot.machine import memory
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


def no_compiler() -> compiler.Compiler:
    raise compiler.NoCompiler("no C compiler works")


def test_without_a_compiler_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "choose", no_compiler)
    failing = lines(device="CPU")["gpt2 compiler"]
    assert not failing.ok
    assert "apt install clang" in failing.cure


@pytest.mark.parametrize(("device", "named"), [("CUDA", "CUDA"), ("cuda:1", "CUDA:1")])
def test_a_gpu_that_is_named_needs_no_compiler(device: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "choose", no_compiler)
    assert lines(device=device)["gpt2 compiler"].detail == f"not needed for {named}"


@pytest.mark.parametrize("chosen", ["CUDA", None])
def test_a_gpu_that_tinygrad_finds_needs_no_compiler_either(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEV", "")
    monkeypatch.setattr(compiler, "has_gpu", lambda: True)
    monkeypatch.setattr(compiler, "choose", no_compiler)
    monkeypatch.setattr("plugins.gpt2.model.device.default_device", lambda: chosen)
    monkeypatch.setattr(device_plan, "_ask_tinygrad", device_plan._ask_tinygrad.__wrapped__)
    found = lines()["gpt2 compiler"]
    assert (found.ok, found.detail) == ((True, "not needed for CUDA") if chosen else (False, "no C compiler works"))


def test_a_device_that_tinygrad_cannot_choose_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: str | None, weights: str | None) -> None:
        raise ValueError("tinygrad cannot choose a device: CUDA=1 is deprecated")

    monkeypatch.setattr("plugins.gpt2.settings.plan_for", refuse)
    failing = lines()["gpt2 device"]
    assert not failing.ok
    assert "CUDA=1" in failing.detail
    assert "TOWNHALL_GPT2_DEVICE" in failing.cure


def test_a_compiler_that_cc_names_is_cured_by_unsetting_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> compiler.Compiler:
        raise compiler.NoCompiler("CC=gcc does not compile Townhall's kernels")

    monkeypatch.setattr(compiler, "choose", none)
    assert lines(device="CPU")["gpt2 compiler"].cure.startswith("Unset CC")


def test_what_multiplies_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "features", lambda: frozenset(("avx2", "avx512f", "avx512bw", "avx512_vnni")))
    assert lines(device="CPU")["gpt2 products"].detail == "int8 weights are multiplied by avx512-vnni, in integers"
    assert lines(device="CPU", products="fp32")["gpt2 products"].detail.startswith(
        "int8 weights are multiplied by fp32"
    )
    wrong = lines(device="CPU", products="dotprod")["gpt2 products"]
    assert not wrong.ok
    assert "avx512-vnni, avx512, avx2, fp32" in wrong.detail
    assert "TOWNHALL_GPT2_PRODUCTS" in wrong.cure
    assert "gpt2 products" not in lines(device="CUDA")
    assert "gpt2 products" not in lines(device="CPU", weights="fp16")


def test_a_device_that_is_not_here_is_named_with_its_cure() -> None:
    failing = lines(device="CUDA:99")["gpt2 device"]
    assert not failing.ok
    assert "'CUDA:99'" in failing.detail
    assert "TOWNHALL_GPT2_DEVICE" in failing.cure
    assert lines(device="CPU")["gpt2 device"].ok


def test_a_cache_that_cannot_be_kept_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(compiler, "cache_folder", lambda: tmp_path / "file/cache")
    failing = lines()["gpt2 cache"]
    assert "made anew at every start" in failing.detail
    assert "XDG_CACHE_HOME" in failing.cure

    def nowhere() -> Path:
        raise compiler.NoCacheFolder("this user has no home folder. Set HOME.")

    monkeypatch.setattr(compiler, "cache_folder", nowhere)
    assert (lines()["gpt2 cache"].detail, lines()["gpt2 cache"].cure) == ("this user has no home folder", "Set HOME.")


def test_allowed_models_that_nobody_knows_are_named() -> None:
    failing = lines(allowed_models="gpt2, gpt3, gpt2-large")["gpt2 allowed models"]
    assert failing.detail.startswith("no model is called 'gpt3'. Did you mean gpt2?")
    assert "TOWNHALL_GPT2_ALLOWED_MODELS" in failing.cure
    assert "gpt2 allowed models" not in lines(allowed_models="gpt2,someone/else")


def test_a_broken_model_folder_is_named_with_its_cure(tmp_path: Path) -> None:
    failing = lines(model=str(tmp_path))["gpt2 model"]
    assert not failing.ok
    assert str(tmp_path) in failing.detail
    assert failing.cure


def test_a_model_that_is_not_here_yet_can_be_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    absent = lines(model="gpt2")["gpt2 model"]
    assert absent.ok
    assert "townhall models download gpt2" in absent.cure
    assert "gpt2 memory" not in lines(model="someone/else")  # nobody knows its size yet


def test_too_little_memory_is_told_before_the_model_is_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(memory, "available_bytes", lambda: 2_000_000_000)
    failing = lines(model="gpt2-xl")["gpt2 memory"]
    assert (failing.ok, failing.detail) == (False, "gpt2-xl needs 4.42 GB, 2.00 GB are free")


def test_what_the_host_gives_to_models_must_hold_the_default_one() -> None:
    failing = lines(memory_mb=1)["gpt2 memory"]
    assert not failing.ok
    assert "TOWNHALL_GPT2_MEMORY_MB allows 1 MB" in failing.detail
    assert "raise TOWNHALL_GPT2_MEMORY_MB" in failing.cure


def test_too_little_memory_is_told_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000_000)
    failing = lines()["gpt2 memory"]
    assert not failing.ok
    assert "10 MB are free" in failing.detail
    assert "TOWNHALL_GPT2_WEIGHTS" in failing.cure


def test_a_draft_is_named_and_one_of_another_vocabulary_with_its_cure(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "small", RECIPES["three-heads"].config, 3)
    write_checkpoint(tmp_path / "large", RECIPES["five-heads"].config, 5)
    here = lines(model=str(tmp_path / "large"), draft=str(tmp_path / "small"))
    assert here["gpt2 draft"].detail == f"{tmp_path}/small guesses for {tmp_path}/large"
    wrong = lines(draft=str(tmp_path / "small"))["gpt2 draft"]
    assert not wrong.ok
    assert "small cannot guess for townhall-mini: its vocabulary has 257 tokens" in wrong.detail
    assert "TOWNHALL_GPT2_DRAFT" in wrong.cure
    assert "gpt2 draft" not in lines()
    assert "no model is called 'gtp2'" in lines(draft="gtp2")["gpt2 draft"].detail
