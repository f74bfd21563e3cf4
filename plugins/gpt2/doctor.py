"""The plugin's lines of ``townhall doctor``: compiler, model, memory. Each failing one names its cure."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.gpt2 import memory
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.words import parameters, size
from townhall_bot.plugins import Check


def checks(settings: GPT2Settings) -> Sequence[Check]:
    """Make every check. May take seconds: the compiler is tried."""
    return (_compiler(settings), *_model(settings))


def _compiler(settings: GPT2Settings) -> Check:
    from plugins.gpt2.model.compiler import NoCompiler, choose

    if not settings.on_cpu:
        return Check("gpt2 compiler", True, f"not needed for {settings.device}")
    try:
        compiler = choose()
    except NoCompiler as error:
        return Check("gpt2 compiler", False, str(error), "Install clang (apt install clang), or pip install ziglang.")
    return Check("gpt2 compiler", True, f"{compiler.kind} ({compiler.path}), {compiler.version}")


def _model(settings: GPT2Settings) -> Sequence[Check]:
    """Is the default model whole, and does memory hold it?"""
    from plugins.gpt2.model.checkpoint import CheckpointError, on_disk, open_checkpoint
    from plugins.gpt2.model.gpt2 import memory_plan

    name = settings.model
    try:
        if on_disk(name, allow_pickle=settings.allow_pickle) is None:
            download = f"Run `townhall models download {name}`, or let the bot do it at its first start."
            return (Check("gpt2 model", True, f"{name} is not on disk yet. {download}"),)
        with open_checkpoint(name, allow_pickle=settings.allow_pickle, local_only=True) as checkpoint:
            checkpoint.tokenizer()
            config, folder = checkpoint.config, checkpoint.folder
    except CheckpointError as error:
        return (Check("gpt2 model", False, str(error), "Repair it as said, or set TOWNHALL_GPT2_MODEL to another."),)
    need, free = memory_plan(config, settings.planned_weights, settings.rows), memory.available_bytes()
    whole = Check("gpt2 model", True, f"{name} ({parameters(config.parameters)} parameters) in {folder}")
    if free is None or not settings.on_cpu:
        return (whole, Check("gpt2 memory", True, f"{name} needs {size(need)}; what is free is not known here"))
    cure = "Choose a smaller TOWNHALL_GPT2_MODEL, smaller TOWNHALL_GPT2_WEIGHTS, or free memory."
    fits = need <= free
    detail = f"{name} needs {size(need)}, {size(free)} are free"
    return (whole, Check("gpt2 memory", fits, detail, "" if fits else cure))
