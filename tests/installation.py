"""Townhall as others have it: its wheel in an environment of its own, and in there the plugins that documents show.

Built once a run, by whichever worker needs it first, without a network; the dependencies are this environment's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from plugins.gpt2.model.target import compiler
from townhall_bot.cli import new_plugin

CHECKOUT = Path(__file__).parents[1]
KERNELS = compiler.cache_folder() / f"{compiler.KERNELS}tests-{version('ziglang')}.db"
"""What zig compiled in earlier runs, too."""
# What pip does with a folder that it installs (PEP 517), for several folders by one process.
BUILD = """
import os, sys
from hatchling.build import build_wheel
for folder in sys.argv[2:]:
    os.chdir(folder)
    build_wheel(sys.argv[1])
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """``bin`` are the environment's programs; ``quotes`` and ``word_count`` the sources of the installed plugins."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "venv" / "bin"

    @property
    def wheel(self) -> Path:
        (found,) = (self.folder / "wheels").glob("townhall_bot-*.whl")
        return found

    @property
    def quotes(self) -> Path:
        return self.folder / "quotes"

    @property
    def word_count(self) -> Path:
        return self.folder / "word-count"

    def run(self, home: Path, *command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a program as a new user would, in ``home``, with no compiler on PATH but the wheel's.

        Only what can be made again is there from earlier runs: the kernels that zig compiled.
        """
        ours = ("TOWNHALL_", "XDG_", "HF_", "CC", "CACHEDB", "PARALLEL", "JIT_", "PYTHON", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        places = {"HOME": str(home), "XDG_CACHE_HOME": str(self.folder / "cache"), "PATH": str(self.bin)}
        places["CACHEDB"] = str(KERNELS)
        # port 0: another Townhall of this machine may have the health page's usual one
        environment = kept | places | {"TOWNHALL_HEALTH_PORT": "0"} | settings
        program = [str(self.bin / command[0]), *command[1:]]
        return subprocess.run(
            program, cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=100
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the other workers out, so that two of them do not compile the same kernels at the same time."""
        with self.folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Townhall's wheel, the plugin of docs/plugins.md and one of ``townhall new-plugin``, installed by pip."""
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent  # of all workers
    made = Installation(run / "installation")
    ready = made.folder / "ready"
    with made.alone():
        if not ready.exists():
            shutil.rmtree(made.folder, ignore_errors=True)
            _build(made)
            ready.touch()
    return made


def _build(made: Installation) -> None:
    wheels, python = made.folder / "wheels", made.bin / "python"
    shutil.copytree(
        CHECKOUT / "docs" / "examples" / "quotes", made.quotes, ignore=shutil.ignore_patterns("__pycache__")
    )
    new_plugin.write("word-count", made.word_count, frozenset())
    wheels.mkdir()
    _run(sys.executable, "-c", BUILD, wheels, CHECKOUT, made.quotes, made.word_count)
    shutil.rmtree(made.quotes / "townhall_quotes")  # from here on there is only what pip installed
    shutil.rmtree(made.word_count / "townhall_word_count")
    venv.create(made.bin.parent, with_pip=False)
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install")
    _run(*pip, "--no-deps", "--no-index", "--no-compile", *wheels.iterdir())
    (packages,) = made.bin.parent.glob("lib/python*/site-packages")
    # Paths that a .pth adds are searched last, and .pth files there (the editable install's) are not read.
    dependencies = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "dependencies.pth").write_text("\n".join(dependencies))


def _run(*command: str | Path) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
