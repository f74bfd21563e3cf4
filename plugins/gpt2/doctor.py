"""The plugin's lines of ``townhall doctor``: compiler, model, memory. Each failing one names its cure."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plugins.gpt2.formatting import parameters
from plugins.gpt2.model.target.device_plan import DevicePlan, open_device
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.i18n.formatting import format_bytes
from townhall_bot.machine import memory
from townhall_bot.plugins import Check

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint
    from plugins.gpt2.model.constants import GPT2Config

DEVICE_CURE = "Correct TOWNHALL_GPT2_DEVICE, or leave it empty for the best device there is."


def checks(settings: GPT2Settings) -> Sequence[Check]:
    """Make every check. May take seconds: the compiler is tried, and a GPU that may be here is looked for."""
    if settings.router:
        return [_router(url) for url in settings.router]  # what engines need is their machines' business
    try:
        plan = settings.device_plan()
    except ValueError as error:
        return (Check("gpt2 device", False, str(error), DEVICE_CURE), *_allowed_models(settings))
    return (
        _compiler(plan),
        *_device(settings),
        *_products(settings, plan),
        _cache(),
        *_allowed_models(settings),
        *_model(settings, plan),
    )


def _router(url: str) -> Check:
    from urllib.error import URLError
    from urllib.request import urlopen

    cure = "Start it with “townhall router”, an engine with “townhall engine --router URL”, or correct the address."
    try:
        with urlopen(f"{url}/readyz", timeout=3) as answer:
            said = answer.read(100).decode(errors="replace").strip()
    except (URLError, OSError) as error:
        return Check("gpt2 router", False, f"{url}: {error}", cure)
    return Check("gpt2 router", True, f"{url}: {said}")


def _compiler(plan: DevicePlan) -> Check:
    from plugins.gpt2.model.target import compiler

    if not plan.is_cpu:
        return Check("gpt2 compiler", True, f"not needed for {plan.device}")
    try:
        found = compiler.choose()
    except compiler.NoCompiler as error:
        install = "Install clang (apt install clang), or pip install ziglang."
        cure = "Unset CC, in .env too, or point it at clang 14 or later." if str(error).startswith("CC=") else install
        return Check("gpt2 compiler", False, str(error), cure)
    return Check("gpt2 compiler", True, f"{found.kind} ({found.path}), {found.version}")


def _device(settings: GPT2Settings) -> Sequence[Check]:
    """Can the device be opened that the host named?"""
    from plugins.gpt2.model.target.compiler import NoCompiler

    if settings.device is None:
        return ()
    try:
        open_device(settings.device)
    except NoCompiler:
        return ()  # which has a line of its own
    except RuntimeError as error:
        return (Check("gpt2 device", False, str(error), DEVICE_CURE),)
    return (Check("gpt2 device", True, settings.device),)


def _products(settings: GPT2Settings, plan: DevicePlan) -> Sequence[Check]:
    """What multiplies the weights here, where there is a choice?"""
    from plugins.gpt2.model.cpu.instructions import choose
    from plugins.gpt2.model.target import compiler

    if not plan.is_cpu or plan.weights not in ("int8", "int4"):
        return ()
    try:
        found = choose(compiler.features(), settings.products)
    except RuntimeError as error:
        cure = "Correct TOWNHALL_GPT2_PRODUCTS, or leave it empty for the best that the processor has."
        return (Check("gpt2 products", False, str(error), cure),)
    detail = "fp32: no integers of this processor's are used" if found is None else f"{found.name}, in integers"
    return (Check("gpt2 products", True, f"{plan.weights} weights are multiplied by {detail}"),)


def _cache() -> Check:
    """Is there a folder for what is made once?"""
    from plugins.gpt2.model.target.compiler import NoCacheFolder, cache_folder

    try:
        folder = cache_folder()
        with tempfile.TemporaryFile(dir=next(path for path in (folder, *folder.parents) if os.path.exists(path))):  # noqa: PTH110 - Path.exists raises behind a folder that may not be entered
            return Check("gpt2 cache", True, str(folder))
    except NoCacheFolder as error:
        what, _, cure = str(error).partition(". ")
        return Check("gpt2 cache", False, what, cure)
    except OSError as error:
        what = f"{folder} cannot be written ({error.strerror}): kernels and weights are made anew at every start"
        return Check("gpt2 cache", False, what, "Let this user write there, or name another with XDG_CACHE_HOME.")


def _allowed_models(settings: GPT2Settings) -> Sequence[Check]:
    """Are these names of models?"""
    from plugins.gpt2.checkpoint.checkpoint import CheckpointError
    from plugins.gpt2.checkpoint.model_names import locate

    wrong = []
    for name in settings.allowed_models:
        try:
            locate(name)
        except CheckpointError as error:
            wrong.append(str(error))
    if not wrong:
        return ()
    return (Check("gpt2 allowed models", False, " ".join(wrong), "Correct TOWNHALL_GPT2_ALLOWED_MODELS."),)


def _model(settings: GPT2Settings, plan: DevicePlan) -> Sequence[Check]:
    """Is the default model whole, and does memory hold it?"""
    from plugins.gpt2.checkpoint.checkpoint import CheckpointError, on_disk, open_checkpoint
    from plugins.gpt2.checkpoint.model_names import HUB_CONFIGS

    name = settings.model
    try:
        if on_disk(name, allow_pickle=settings.allow_pickle) is None:
            hint = f"Run `townhall models download {name}`, or let the bot do it at its first start."
            absent = Check("gpt2 model", True, f"{name} is not on disk yet", hint)
            return (absent, _memory(settings, plan, HUB_CONFIGS[name])) if name in HUB_CONFIGS else (absent,)
        with open_checkpoint(name, allow_pickle=settings.allow_pickle, local_only=True) as checkpoint:
            checkpoint.tokenizer()
            config, folder = checkpoint.config, checkpoint.folder
            guessing = _draft(settings, checkpoint)
    except CheckpointError as error:
        return (Check("gpt2 model", False, str(error), "Repair it as said, or set TOWNHALL_GPT2_MODEL to another."),)
    whole = Check("gpt2 model", True, f"{name} ({parameters(config.parameters)} parameters) in {folder}")
    return (whole, *guessing, _memory(settings, plan, config))


def _draft(settings: GPT2Settings, model: Checkpoint) -> Sequence[Check]:
    """Can the draft guess for the default model?"""
    from plugins.gpt2.checkpoint.checkpoint import CheckpointError, on_disk, open_checkpoint
    from plugins.gpt2.checkpoint.draft import check_draft

    if settings.draft is None:
        return ()
    try:
        if on_disk(settings.draft, allow_pickle=settings.allow_pickle) is None:
            return (Check("gpt2 draft", True, f"{settings.draft} is not on disk yet; the first load fetches it"),)
        with open_checkpoint(settings.draft, allow_pickle=settings.allow_pickle, local_only=True) as draft:
            check_draft(draft, model)
    except CheckpointError as error:
        return (Check("gpt2 draft", False, str(error), "Correct TOWNHALL_GPT2_DRAFT, or leave it empty."),)
    return (Check("gpt2 draft", True, f"{settings.draft} guesses for {settings.model}"),)


def _memory(settings: GPT2Settings, plan: DevicePlan, config: GPT2Config) -> Check:
    """Does the model fit into what is free, and into what the host gives to models?"""
    from plugins.gpt2.checkpoint.draft import known_shape
    from plugins.gpt2.model.memory_plan import with_draft

    draft = known_shape(settings.draft, allow_pickle=settings.allow_pickle)
    name, need = settings.model, with_draft(config, plan.weights, settings.rows, draft)
    smaller = "Choose a smaller TOWNHALL_GPT2_MODEL, smaller TOWNHALL_GPT2_WEIGHTS"
    budget, free = settings.memory_budget, memory.available_bytes()
    if budget is not None and need > budget:
        detail = f"{name} needs {format_bytes(need)}, TOWNHALL_GPT2_MEMORY_MB allows {format_bytes(budget)}"
        return Check("gpt2 memory", False, detail, f"{smaller}, or raise TOWNHALL_GPT2_MEMORY_MB.")
    if free is None or not plan.is_cpu:
        return Check("gpt2 memory", True, f"{name} needs {format_bytes(need)}; what is free is not known here")
    detail = f"{name} needs {format_bytes(need)}, {format_bytes(free)} are free"
    return Check("gpt2 memory", need <= free, detail, "" if need <= free else f"{smaller}, or free memory.")
