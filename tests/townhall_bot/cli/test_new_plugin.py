"""``townhall new-plugin``: what it writes is installed by pip and passes its own test, lint and types."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.installation import Installation
from townhall_bot import cli
from townhall_bot.cli.new_plugin import NewPluginError, write

ROOT = Path(__file__).parents[3]


def test_pip_installs_it_and_its_own_test_passes(installation: Installation, tmp_path: Path) -> None:
    source = installation.word_count
    tests = installation.run(
        tmp_path, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", source / "tests",
        "--rootdir", source, "-c", source / "pyproject.toml",
    )  # fmt: skip
    assert "3 passed" in tests.stdout, tests.stdout + tests.stderr

    say = ("townhall", "local", "--say", "/word-count who:Ada")
    said = installation.run(tmp_path, *say, TOWNHALL_PLUGINS="word-count")
    assert said.stdout == "Hello, Ada!\n", said.stderr


def test_what_it_writes_keeps_to_townhalls_own_rules(tmp_path: Path) -> None:
    pytest.importorskip("ruff", reason="ruff comes with [dev]")
    source = write("word-count", tmp_path / "made", frozenset())
    rules = ",".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["select"])
    checks = ("check", "--select", rules, "--ignore", "D107", "--exclude", "tests"), ("format", "--check")
    for check in checks:
        command = [sys.executable, "-m", "ruff", *check, "--no-cache", "--isolated", "--line-length", "120", source]
        ended = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=100, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_command_says_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new-plugin", "dice"]) == 0
    said = capsys.readouterr().out
    assert "townhall-dice" in said
    assert "pip install -e" in said
    assert f"{sys.executable} -m townhall_bot local --reload" in said
    assert (tmp_path / "townhall-dice" / "townhall_dice" / "plugin.py").is_file()


@pytest.mark.parametrize("name", ["Dice", "2dice", "-dice", "di_ce", "dice-", "../dice", "d" * 33, ""])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(NewPluginError, match="cannot be a plugin's name"):
        write(name, tmp_path / "made", frozenset())
    assert list(tmp_path.iterdir()) == []


def test_an_installed_plugin_s_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ping", "gpt2", "privacy"):
        assert cli.main(["new-plugin", name]) == 1
        assert f"a plugin {name} is installed already" in capsys.readouterr().err


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for place in ("full", "file"):
        with pytest.raises(NewPluginError, match="exists and is not empty"):
            write("dice", tmp_path / place, frozenset())
    with pytest.raises(NewPluginError, match="cannot be written"):
        write("dice", tmp_path / "file" / "below", frozenset())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "full"]
