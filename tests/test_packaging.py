"""A wheel of this project, installed elsewhere, is the whole program: plugins, embedded model and compiler included."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[1]
PROMPT = "My fellow citizens"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network: the build backend is installed with the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=100)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of a fresh environment with the wheel in it; the dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, timeout=100)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A path that a .pth adds is searched last, and .pth files there (the editable install's) are not read.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return folder / "bin"


def run(installed: Path, home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the fresh environment, away from the checkout, with no compiler on PATH but the wheel's."""
    ours = ("TOWNHALL_", "XDG_", "HF_", "CC", "CACHEDB", "PARALLEL", "JIT_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [str(installed / command[0]), *command[1:]],
        cwd=home,
        # port 0: another Townhall of this machine may have the health page's usual one
        env=kept | {"HOME": str(home), "PATH": str(installed), "TOWNHALL_HEALTH_PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_the_installed_bot_answers_in_the_local_discord(installed: Path, tmp_path: Path) -> None:
    said = run(installed, tmp_path, "townhall", "local", "--say", f'/gpt2 prompt:"{PROMPT}" count:4 temperature:0')
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(f"**{PROMPT}**")
    assert len(said.stdout) > len(f"**{PROMPT}**\n")


def test_the_installed_model_writes_on_the_command_line(installed: Path, tmp_path: Path) -> None:
    greedy = ("--temperature", "0", "--json")
    written = run(installed, tmp_path, "townhall", "gpt2", "--prompt", PROMPT, "--count", "4", *greedy)
    assert written.returncode == 0, written.stderr
    told = json.loads(written.stdout)
    assert told["text"].startswith(PROMPT)
    assert told["model"] == "townhall-mini"
    assert (told["new_tokens"], told["finish_reason"]) == (4, "length")


def test_nothing_of_the_checkout_is_used(installed: Path, tmp_path: Path) -> None:
    packages = ("townhall_bot.cli", "plugins.gpt2.plugin", "plugins.ping.plugin", "plugins.gpt2.model.compiler")
    code = f"import importlib\nfor name in {packages}: print(importlib.import_module(name).__file__)"
    found = run(installed, tmp_path, "python", "-c", code)
    assert found.returncode == 0, found.stderr
    assert all(Path(path).is_relative_to(installed.parent) for path in found.stdout.splitlines())
    assert len(found.stdout.splitlines()) == len(packages)
    report = run(installed, tmp_path, "townhall", "doctor")
    assert report.returncode == 0, report.stdout
    assert re.search(rf"gpt2 compiler: zig \({re.escape(str(installed.parent))}.*zig-clang\)", report.stdout)
    assert "plugin gpt2: /gpt2" in report.stdout
    assert "plugin ping: /ping" in report.stdout


def test_the_wheel_holds_the_program_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert {name.split("/")[0].removesuffix(".dist-info") for name in names} == {
        "townhall_bot",
        "plugins",
        f"townhall_bot-{project()['version']}",
    }
    assert {"plugins/gpt2/mini/model.safetensors", "plugins/gpt2/mini/README.md"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert modes["plugins/gpt2/model/zig-clang"] & 0o111 == 0o111
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".env", ".db"))]
    # `plugins` is a namespace that other packages share: an __init__.py of ours would hide theirs.
    assert "plugins/__init__.py" not in names


def test_every_program_and_plugin_that_is_promised_exists(installed: Path, tmp_path: Path) -> None:
    promised = [*project()["scripts"].values(), *project()["entry-points"]["townhall.plugins"].values()]
    code = f"import pkgutil\nfor name in {promised}: pkgutil.resolve_name(name)"
    found = run(installed, tmp_path, "python", "-c", code)
    assert found.returncode == 0, found.stderr


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return table
