"""A wheel of this project, installed elsewhere, is the whole program: plugins, embedded model and compiler included."""

from __future__ import annotations

import json
import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from tests.installation import Installation

CHECKOUT = Path(__file__).parents[1]
PROMPT = "My fellow citizens"
SHARED = {"TOWNHALL_GPT2_ROWS": "1", "TOWNHALL_GPT2_WEIGHTS": "fp32"}
"""So that these tests and those of the compiler need the same kernels: zig compiles them once a run."""


def test_the_installed_bot_answers_in_the_local_discord(installation: Installation, tmp_path: Path) -> None:
    with installation.alone():
        command = f'/gpt2 prompt:"{PROMPT}" count:4 temperature:0'
        said = installation.run(tmp_path, "townhall", "local", "--say", command, **SHARED)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(f"**{PROMPT}**")
    assert len(said.stdout) > len(f"**{PROMPT}**\n")


def test_the_installed_model_writes_on_the_command_line(installation: Installation, tmp_path: Path) -> None:
    greedy = ("--prompt", PROMPT, "--count", "4", "--temperature", "0", "--json")
    with installation.alone():
        written = installation.run(tmp_path, "townhall", "gpt2", *greedy, **SHARED)
    assert written.returncode == 0, written.stderr
    told = json.loads(written.stdout)
    assert told["text"].startswith(PROMPT)
    assert told["model"] == "townhall-mini"
    assert (told["new_tokens"], told["finish_reason"]) == (4, "length")


def test_nothing_of_the_checkout_is_used(installation: Installation, tmp_path: Path) -> None:
    packages = ("townhall_bot.cli", "plugins.gpt2.plugin", "plugins.ping.plugin", "plugins.gpt2.model.target.compiler")
    code = f"import importlib\nfor name in {packages}: print(importlib.import_module(name).__file__)"
    found = installation.run(tmp_path, "python", "-c", code)
    assert found.returncode == 0, found.stderr
    assert all(Path(path).is_relative_to(installation.bin.parent) for path in found.stdout.splitlines())
    assert len(found.stdout.splitlines()) == len(packages)
    report = installation.run(tmp_path, "townhall", "doctor")
    assert report.returncode == 0, report.stdout
    assert re.search(rf"gpt2 compiler: zig \({re.escape(str(installation.bin.parent))}.*zig-clang\)", report.stdout)
    assert "plugin gpt2: /gpt2" in report.stdout
    assert "plugin ping: /ping" in report.stdout


def test_the_wheel_holds_the_program_and_nothing_else(installation: Installation) -> None:
    with zipfile.ZipFile(installation.wheel) as archive:
        names = archive.namelist()
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert {name.split("/")[0].removesuffix(".dist-info") for name in names} == {
        "townhall_bot",
        "plugins",
        f"townhall_bot-{project()['version']}",
    }
    assert {"plugins/gpt2/mini/model.safetensors", "plugins/gpt2/mini/README.md"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert modes["plugins/gpt2/model/target/zig-clang"] & 0o111 == 0o111
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".env", ".db"))]
    # `plugins` is a namespace that other packages share: an __init__.py of ours would hide theirs.
    assert "plugins/__init__.py" not in names


def test_every_program_and_plugin_that_is_promised_exists(installation: Installation, tmp_path: Path) -> None:
    promised = [*project()["scripts"].values(), *project()["entry-points"]["townhall.plugins"].values()]
    code = f"import pkgutil\nfor name in {promised}: pkgutil.resolve_name(name)"
    found = installation.run(tmp_path, "python", "-c", code)
    assert found.returncode == 0, found.stderr


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return table
