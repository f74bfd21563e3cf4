"""``townhall models``: what is on this disk, what it needs, and how it comes and goes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plugins.gpt2.checkpoint import hub, hub_cache
from plugins.gpt2.checkpoint.checkpoint import on_disk
from plugins.gpt2.checkpoint.config_file import read_config
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.files import CONFIG_NAME
from plugins.gpt2.checkpoint.model_names import HUB_CONFIGS, HUB_NAMES, known_models, locate
from plugins.gpt2.checkpoint.own_models import is_name, own_models, remove_own, unfinished_models
from plugins.gpt2.checkpoint.verify import verify
from plugins.gpt2.cli import train_options
from plugins.gpt2.formatting import parameters as counted
from plugins.gpt2.model.constants import EMBEDDED_MODEL, OTHER_TOKENS, GPT2Config, Weights
from plugins.gpt2.model.memory_plan import memory_plan
from townhall_bot.cli.terminal import FAILED, INTERRUPTED, note, tell
from townhall_bot.i18n.formatting import format_bytes

ROWS = 8
"""Texts at a time that the memory need is given for: the engine's default."""


SHOWN: tuple[Weights, ...] = ("int8", "int4", "fp32")


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    config: GPT2Config | None
    disk_bytes: int | None
    note: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions to ``townhall models``; without one it lists."""
    actions = parser.add_subparsers(dest="action", metavar="action")
    actions.add_parser("list", help="what is on this disk and what each model needs (the default)")
    downloads = "an official size, or a hub id"
    for name, text, which in (
        ("download", "fetch a model from the hub, or the newest version of one that is here", downloads),
        ("remove", "free a model's place on the disk", downloads),
        ("verify", "read a model's every byte and say what is wrong with it", f"{downloads}, townhall-mini, a folder"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("model", help=which)
        if name != "remove":
            action.add_argument(
                "--allow-pickle",
                action="store_true",
                help="take pytorch_model.bin where there is nothing better; only tensors are read from it",
            )
    train_options.configure(actions.add_parser("train", help="make a model in the voice of your own texts"))


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; return the exit status: 0, 1 where it failed, 130 where it was interrupted."""
    try:
        if arguments.action == "download":
            return _download(arguments.model, allow_pickle=arguments.allow_pickle)
        if arguments.action == "remove":
            return _remove(arguments.model)
        if arguments.action == "train":
            from plugins.gpt2.cli import train

            return train.run(arguments)
        if arguments.action == "verify":
            return _verify(arguments.model, allow_pickle=arguments.allow_pickle)
        return _list()
    except CheckpointError as error:
        note(str(error), "models")
        return FAILED
    except KeyboardInterrupt:
        tell("\nstopped; what had arrived whole is kept")
        return INTERRUPTED


def _list() -> int:
    lines = list(_lines())
    width = max(len(line.name) for line in lines)
    print(f"{'model':<{width}}  {'parameters':>10}  {'on disk':>9}  {'memory int8':>11}  {'int4':>9}  {'fp32':>9}")
    for line in lines:
        if line.config is None:
            parameters = small = smaller = large = "?"
        else:
            parameters = str(counted(line.config.parameters))
            small, smaller, large = (str(format_bytes(memory_plan(line.config, w, ROWS))) for w in SHOWN)
        disk = "-" if line.disk_bytes is None else str(format_bytes(line.disk_bytes))
        memory = f"{small:>11}  {smaller:>9}  {large:>9}"
        print(f"{line.name:<{width}}  {parameters:>10}  {disk:>9}  {memory}  {line.note}".rstrip())
    print(f"\nMemory is for {ROWS} texts at a time. Download one: townhall models download gpt2")
    eight, four = (f"{OTHER_TOKENS[weights]:.0f}" for weights in ("int8", "int4"))
    print(
        f"TOWNHALL_GPT2_WEIGHTS chooses. Against fp32, as measured with townhall-mini, the likeliest next token\n"
        f"differs in {eight} of 100 places (int8), {four} of 100 (int4)."
    )
    return 0


def _lines() -> Iterator[_Line]:
    """Yield the known models, then whatever other GPT-2 lies in the hub's cache."""
    cached = hub_cache.cached_repos()
    for name in known_models():
        repo = HUB_NAMES.get(name)
        if repo is None:
            yield _Line(name, _config(name), _folder_size(locate(name).folder), "embedded")
        else:
            yield _Line(name, HUB_CONFIGS[name], cached.pop(repo, None), _note(name))
    unfinished = unfinished_models()
    for name in own_models():
        more = f"; `townhall models train {name} --resume` goes on" if name in unfinished else ""
        yield _Line(name, _config(name), _folder_size(locate(name).folder), f"trained here{more}")
    for name in sorted(set(unfinished) - set(own_models())):
        yield _Line(name, None, None, f"not trained to the end; `townhall models train {name} --resume` goes on")
    for repo, disk_bytes in sorted(cached.items()):
        if (config := _config(repo)) is not None:
            yield _Line(repo, config, disk_bytes, _note(repo))


def _note(name: str) -> str:
    """Say where a download was left unfinished; nothing where the model is whole or not there at all."""
    repo = locate(name).repo
    if repo is None or on_disk(name, allow_pickle=True) is not None:
        return ""
    return "not complete" if hub_cache.cached_config(repo) is not None else ""


def _config(name: str) -> GPT2Config | None:
    place = locate(name)
    path = hub_cache.cached_config(place.repo) if place.repo else Path(place.folder or "") / CONFIG_NAME
    try:
        return read_config(path) if path is not None else None
    except CheckpointError:
        return None  # not a GPT-2 at all, or one that is not supported


def _download(model: str, *, allow_pickle: bool) -> int:
    from plugins.gpt2.cli.download_bar import DownloadBar

    place = locate(model)
    if place.repo is None:
        print(f"{model} is on this disk already: {place.folder}")
        return 0
    with DownloadBar(place.name) as bar:
        folder = hub.download(place.repo, allow_pickle=allow_pickle, refresh=True, on_progress=bar)
    print(f"{place.name} is on this disk: {folder}")
    tell(
        f"Try it: townhall gpt2 --model-size {place.name} --interactive\n"
        f"The bot takes it with TOWNHALL_GPT2_MODEL={place.name}, or by /gpt2-config where the host allows it."
    )
    return 0


def _remove(model: str) -> int:
    if is_name(model) and (model in own_models() or model in unfinished_models()):
        print(f"removed {model}, which was trained here, {format_bytes(remove_own(model))} freed")
        return 0
    place = locate(model)
    if place.repo is None:
        what = "is part of Townhall" if place.name == EMBEDDED_MODEL else "is a folder of yours"
        raise CheckpointError(
            f"{model} {what} and is not removed; this command frees downloads and what was trained here."
        )
    freed = hub_cache.remove(place.repo)
    print(f"removed {place.name}, {format_bytes(freed)} freed" if freed else f"{place.name} is not on this disk")
    return 0


def _verify(model: str, *, allow_pickle: bool) -> int:
    place, folder = locate(model), on_disk(model, allow_pickle=allow_pickle)
    if folder is None:
        raise CheckpointError(f"{model} is not complete on this disk. Download it: townhall models download {model}")
    good = True
    for finding in verify(place.name, folder, repo=place.repo, allow_pickle=allow_pickle):
        good &= finding.ok
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.text}", flush=True)
    return 0 if good else 1


def _folder_size(folder: Path | None) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder else 0
