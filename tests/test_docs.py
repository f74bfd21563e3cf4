"""What the pages say exists: links, files, settings, commands, and the two commands of the README."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.config_file import read_config
from plugins.gpt2.checkpoint.files import CONFIG_NAME
from plugins.gpt2.checkpoint.model_names import HUB_CONFIGS, known_models, locate
from plugins.gpt2.formatting import parameters
from plugins.gpt2.model.memory_plan import memory_plan
from plugins.gpt2.settings import GPT2Settings
from plugins.ping.plugin import PingSettings
from townhall_bot.i18n.formatting import format_bytes
from townhall_bot.settings import NOT_OURS, Settings, env_names

CHECKOUT = Path(__file__).parents[1]
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("plugins/**/*.md")])
SETTINGS = NOT_OURS.union(*(env_names(model) for model in (Settings, GPT2Settings, PingSettings)))
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
SETTING = re.compile(r"\bTOWNHALL_[A-Z0-9_]*[A-Z0-9]\b(?!…|_)")
FILE = re.compile(r"`((?:townhall_bot|plugins|tests|tools|bench|docs)/[\w./-]*\w)`")
"""Not folders, written with a slash at the end: a run may make them."""


def named(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


def test_every_known_model_has_its_memory_in_the_guide_for_hosts() -> None:
    page = (CHECKOUT / "docs" / "operating.md").read_text()
    for name in known_models():
        config = HUB_CONFIGS.get(name) or read_config(Path(str(locate(name).folder)) / CONFIG_NAME)
        small, large = (format_bytes(memory_plan(config, weights, rows=8)) for weights in ("int8", "fp32"))
        assert f"| {name} | {parameters(config.parameters)} | {small} | {large} |" in page


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_are_named_are_there(page: Path) -> None:
    missing = [name for name in FILE.findall(page.read_text()) if not (CHECKOUT / name).exists()]
    assert not missing


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "plugins.md"], ids=named)
def test_settings_that_are_named_are_settings(page: Path) -> None:
    assert set(SETTING.findall(page.read_text())) <= SETTINGS


def test_the_rooms_in_the_architecture_are_there() -> None:
    page = (CHECKOUT / "docs" / "architecture.md").read_text()
    rooms, folders, missing = page.split("```")[1], [CHECKOUT], []
    for line in rooms.strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = [name for name in re.split(r",? +", re.split(r"\s{2,}", line.strip())[0]) if name]
        del folders[depth + 1 :]
        for name in names:
            path = folders[depth] / name
            if not (path.exists() or path.with_suffix(".py").exists()):
                missing.append(str(path.relative_to(CHECKOUT)))
        folders.append(folders[depth] / names[0])
    assert not missing


def test_every_room_has_its_line_in_the_architecture() -> None:
    lines = (CHECKOUT / "docs" / "architecture.md").read_text().split("```")[1].strip().splitlines()
    drawn, folders = set(), [CHECKOUT]
    for line in lines:
        del folders[(len(line) - len(line.lstrip())) // 2 + 1 :]
        folders.append(folders[-1] / line.split()[0])
        drawn.add(folders[-1])
    modules = [path for top in ("townhall_bot", "plugins") for path in (CHECKOUT / top).rglob("*.py")]
    rooms = {path.parent for path in modules}
    assert not sorted(str(room.relative_to(CHECKOUT)) for room in rooms - drawn)


def test_every_dependency_has_its_reasons() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    page = (CHECKOUT / "docs" / "decisions.md").read_text().replace("-", "_")
    names = [re.split(r"[<>=;\[ ]", line)[0].replace("-", "_") for line in project["dependencies"]]
    assert not [name for name in names if not re.search(rf"^\| {re.escape(name)}\b", page, re.MULTILINE)]


def test_ci_finds_both_commands_in_the_readme() -> None:
    readme = (CHECKOUT / "README.md").read_text()
    blocks = dict(re.findall(r"^<!-- ci: (\w+) -->\n```sh\n(.*?)\n```$", readme, re.MULTILINE | re.DOTALL))
    assert set(blocks) == {"install", "test"}
    script = (CHECKOUT / ".ci" / "run").read_text()
    assert all(f"$(readme {name})" in script for name in blocks)
