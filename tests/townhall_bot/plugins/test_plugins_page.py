"""The examples of ``docs/plugins.md`` work as they stand there."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation
from townhall_bot.loopback import CommandRefused, Person, TownhallWorld
from townhall_bot.plugins import ENTRY_POINT_GROUP, Plugin, PluginContext
from townhall_bot.plugins.discovery import find_plugins
from townhall_bot.settings import Settings
from townhall_bot.testkit import StartTownhall

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "plugins.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def dice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Plugin]]:
    """The page's plugin, found as an installed one is."""
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "townhall_dice.py").write_text(blocks("python")[0])
    monkeypatch.syspath_prepend(folder)
    ((name, target),) = tomllib.loads(blocks("toml")[0])["project"]["entry-points"][ENTRY_POINT_GROUP].items()
    (loaded,) = find_plugins(Settings(), [EntryPoint(name, target, ENTRY_POINT_GROUP)])
    assert loaded.failure is None
    assert loaded.cls is not None
    yield loaded.cls
    sys.modules.pop("townhall_dice")


async def test_the_example_throws_and_refuses_and_remembers(
    dice: type[Plugin], start_townhall: StartTownhall, ada: Person, admin: Person
) -> None:
    running = await start_townhall(dice, settings={"TOWNHALL_DICE_MAX_DICE": "3"})
    thrown = await ada.type("/dice count:3")
    assert await running.settled(thrown) is None
    assert re.fullmatch(r"\d \+ \d \+ \d = \d+", thrown.text)

    refused = await ada.type("/dice count:4")
    assert await running.settled(refused) is not None
    assert refused.text == "4 dice are too many here; up to 3 are allowed."

    with pytest.raises(CommandRefused, match="Manage Server"):
        await ada.type("/dice-sides sides:20")
    changed = await admin.type("/dice-sides sides:20")
    await running.settled(changed)
    assert changed.text == "Dice have 20 sides now, 6 before."


async def test_the_examples_own_test_fails_where_nothing_is_thrown_and_passes_otherwise(
    dice: type[Plugin], start_townhall: StartTownhall, ada: Person, world: TownhallWorld
) -> None:
    space: dict[str, Any] = {}
    exec(compile(blocks("python")[1], "docs/plugins.md", "exec"), space)
    running = await start_townhall(dice, settings={"TOWNHALL_DICE_MAX_DICE": "2"})
    with pytest.raises(AssertionError):
        await space["test_a_member_throws"](running, ada)
    await running.stop()
    await space["test_a_member_throws"](await start_townhall(dice), ada)
    assert re.search(r" = \d+$", world.channels["general"].messages[-1].text)


def test_the_page_names_every_member_of_the_contract() -> None:
    members = {name for name in vars(Plugin) if not name.startswith("_")} | set(Plugin.__annotations__)
    parts = set(PluginContext.__annotations__)
    assert [name for name in members | parts if f"`{name}" not in PAGE and f" {name}(" not in PAGE] == []


def test_the_larger_examples_own_tests_pass_where_pip_has_installed_it(
    installation: Installation, tmp_path: Path
) -> None:
    source = installation.quotes
    tests = installation.run(
        tmp_path, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib",
        "--rootdir", source, "-c", source / "pyproject.toml", source / "tests",
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert " passed" in tests.stdout
