"""What is planned for a device is what is loaded on it, however the host spells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.language_model import LanguageModel
from plugins.gpt2.model.constants import EMBEDDED_MODEL, OFFICIAL_CONFIGS
from plugins.gpt2.model.gpt2 import GPT2, load
from plugins.gpt2.model.memory_plan import memory_plan
from plugins.gpt2.model.target import compiler, device_plan
from plugins.gpt2.model.target.device_names import DEVICES, canonical
from plugins.gpt2.model.target.device_plan import DevicePlan, known_plan, plan_for
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.service.model_source import CheckpointSource
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.settings import SettingsError, load_settings

Apply = Callable[[Mapping[str, str]], None]
without_cuda = pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU of that kind")


@pytest.fixture
def settings_for(clean_settings: Apply) -> Callable[[str], GPT2Settings]:
    def load_them(device: str) -> GPT2Settings:
        clean_settings({"TOWNHALL_GPT2_DEVICE": device, "TOWNHALL_GPT2_ROWS": "1"})
        return load_settings(GPT2Settings, env_file=None)

    return load_them


@pytest.fixture
def with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which tinygrad chooses CUDA when it is asked."""
    monkeypatch.setenv("DEV", "")
    monkeypatch.setattr(compiler, "has_gpu", lambda: True)
    monkeypatch.setattr("plugins.gpt2.model.device.default_device", lambda: "CUDA")
    device_plan._ask_tinygrad.cache_clear()
    yield
    device_plan._ask_tinygrad.cache_clear()


def built(source: CheckpointSource) -> tuple[LanguageModel, int]:
    """Load the embedded model as the bot does; return it and the bytes that were planned for it."""
    opened = source.open(EMBEDDED_MODEL, lambda line: None)
    steps = opened.build()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value, opened.memory_bytes


@pytest.mark.parametrize("device", ["CPU", "cpu", "Cpu", "CPU:0", "cpu:0"])
def test_every_spelling_of_the_cpu_is_planned_and_built_as_one(
    settings_for: Callable[[str], GPT2Settings], device: str
) -> None:
    settings = settings_for(device)
    with open_checkpoint(EMBEDDED_MODEL) as checkpoint:
        config = checkpoint.config
    model, planned = built(CheckpointSource(settings))
    try:
        assert isinstance(model, GPT2)
        assert (model.info.device, model.info.dtype) == ("CPU", "int8")
        assert model.token_cost.kernels is not None  # the C kernels, replayed by a team: what makes a CPU fast
    finally:
        model.close()
    assert planned == memory_plan(config, "int8", rows=1) == ModelCatalog(settings).memory_need(config)
    assert "gpt2-xl" not in ModelCatalog(settings, total_memory=lambda: 10**9).allowed


@pytest.mark.parametrize(("device", "named"), [("cuda", "CUDA"), ("CUDA:0", "CUDA"), ("cuda:1", "CUDA:1")])
def test_a_gpu_is_planned_with_the_weights_that_it_gets(
    settings_for: Callable[[str], GPT2Settings], device: str, named: str
) -> None:
    settings = settings_for(device)
    assert settings.device == named
    assert settings.device_plan() == settings.known_plan() == DevicePlan(named, "fp16")
    catalog, config = ModelCatalog(settings, total_memory=lambda: 10**9), OFFICIAL_CONFIGS["gpt2-xl"]
    assert catalog.memory_need(config) == memory_plan(config, "fp16", rows=1)
    assert "gpt2-xl" in catalog.allowed  # the machine's memory is not the GPU's


@without_cuda
@pytest.mark.parametrize("device", ["cuda", "CUDA:0"])
def test_a_gpu_that_is_not_here_is_refused_with_the_cure(
    settings_for: Callable[[str], GPT2Settings], device: str
) -> None:
    with pytest.raises(RuntimeError, match=r"cannot open the device 'CUDA': .* Leave TOWNHALL_GPT2_DEVICE empty"):
        built(CheckpointSource(settings_for(device)))


@pytest.mark.parametrize("device", ["TPU", "gpu", "CPU:1", "CUDA:x", "CUDA:01", "cuda 1", "CPU:", "0"])
def test_nonsense_is_refused_with_the_names_that_there_are(
    settings_for: Callable[[str], GPT2Settings], device: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings_for(device)
    assert all(word in str(refusal.value) for word in ("TOWNHALL_GPT2_DEVICE", device, *DEVICES, "Empty: the best"))
    with open_checkpoint(EMBEDDED_MODEL) as checkpoint, pytest.raises(ValueError, match=r"it must be one of CPU, CUDA"):
        load(checkpoint, device=device)


@pytest.mark.usefixtures("with_a_gpu")
def test_without_a_name_the_plan_is_for_the_device_that_tinygrad_chooses() -> None:
    settings = GPT2Settings.model_validate({"rows": 1})
    catalog, config = ModelCatalog(settings, total_memory=lambda: 10**9), OFFICIAL_CONFIGS["gpt2-xl"]
    assert settings.known_plan() is None
    assert catalog.memory_need(config) is None
    assert "gpt2-xl" in catalog.allowed
    assert settings.device_plan() == settings.known_plan() == DevicePlan("CUDA", "fp16")
    assert catalog.memory_need(config) == memory_plan(config, "fp16", rows=1)


@pytest.mark.usefixtures("with_a_gpu")
def test_a_gpu_that_tinygrad_cannot_use_leaves_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.gpt2.model.device.default_device", lambda: None)
    assert plan_for(None, None) == DevicePlan("CPU", "int8")
    assert plan_for(None, "fp32") == DevicePlan("CPU", "fp32")


@pytest.mark.usefixtures("with_a_gpu")
def test_an_environment_that_tinygrad_does_not_take_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise AssertionError("CUDA=1 is deprecated, use DEV=CUDA instead")

    monkeypatch.setattr("plugins.gpt2.model.device.default_device", refuse)
    with pytest.raises(ValueError, match=r"CUDA=1 is deprecated.*Set TOWNHALL_GPT2_DEVICE"):
        plan_for(None, None)
    assert known_plan(None, None) is None
    assert known_plan("cpu", None) == DevicePlan("CPU", "int8")  # a host who names a device needs nobody to choose


def test_without_a_gpu_nothing_has_to_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV", "")
    monkeypatch.setattr(compiler, "has_gpu", lambda: False)
    monkeypatch.setattr("plugins.gpt2.model.device.default_device", lambda: pytest.fail("tinygrad was asked"))
    assert known_plan(None, None) == plan_for(None, None) == DevicePlan("CPU", "int8")


@pytest.mark.parametrize("name", DEVICES)
def test_a_canonical_name_stays_as_it_is(name: str) -> None:
    assert canonical(name) == canonical(name.lower()) == name
