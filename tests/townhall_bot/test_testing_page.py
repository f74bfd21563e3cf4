"""The examples in ``docs/testing.md`` work as they stand there, and it names what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

from townhall_bot import testkit
from townhall_bot.loopback import Person, Turn
from townhall_bot.loopback.faults.faults import Faults

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text()
PLUGIN, TEST, CONFTEST, PRESS, WEATHER = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_examples_pass_as_an_author_runs_them(tmp_path: Path) -> None:
    (tmp_path / "townhall_coin.py").write_text(PLUGIN)
    (tmp_path / "test_coin.py").write_text(TEST + PRESS + WEATHER)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TOWNHALL_", "PYTEST_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path, env={**environment, "PYTHONPATH": f"{ROOT}"}, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_first_example_has_ten_lines() -> None:
    assert len([line for line in TEST.splitlines() if line]) <= 10


def test_the_page_names_every_fixture_and_what_people_do() -> None:
    fixtures = {name for name in testkit.__all__ if not re.match(r"[A-Z]|undescribed", name)}
    acts = {"type", "complete", "use_menu", "press", "select", "submit", "say"}
    seen_by_nobody = {name for name in vars(testkit.RunningTownhall) if not name.startswith("_")}
    seen = {"acknowledged", "until", "text", "messages", "message", "modal", "failed"}
    faults = {
        name for name in vars(Faults) if not name.startswith("_") and name not in ("next_for", "asked_for", "clear")
    }
    assert [name for name in fixtures if f"`{name}`" not in PAGE] == []
    assert all(hasattr(Person, act) and f"ada.{act}(" in PAGE for act in acts)
    assert all(hasattr(Turn, each) and f"turn.{each}" in PAGE for each in seen)
    assert [name for name in seen_by_nobody if f"townhall.{name}(" not in PAGE] == []
    assert [name for name in faults if f"{name}(" not in PAGE] == []


def test_the_page_on_plugins_leads_here() -> None:
    assert "(testing.md)" in (ROOT / "docs" / "plugins.md").read_text()
