"""The seam itself: who asks for texts and shows them knows the protocol, not what stands behind it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import plugins.gpt2.protocol
from plugins.gpt2.protocol import TextGenerator
from plugins.gpt2.service.service import GPT2Service

ROOM = Path(plugins.gpt2.protocol.__file__).parent
CONSUMERS = sorted(
    [
        *(path for room in ("chat", "admin", "stats") for path in (ROOM / room).glob("*.py")),
        *(ROOM / f"{name}.py" for name in ("protocol", "metrics", "messages", "guild_rules", "settings", "doctor")),
    ]
)
COMPOSES = {"plugin.py", "engine_host/running.py"}
"""The modules outside of the service's room that make a local service: the bot's, and that of an engine by itself."""


def imported(path: Path) -> Iterator[str]:
    """Yield the names of all modules that a file imports, wherever in it, and of what it takes from them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def named(path: Path) -> str:
    return str(path.relative_to(ROOM))


@pytest.mark.parametrize("path", CONSUMERS, ids=named)
def test_who_asks_for_texts_and_shows_them_knows_nothing_of_the_engines_asyncio_side(path: Path) -> None:
    assert [name for name in imported(path) if name.startswith("plugins.gpt2.service")] == []


def test_only_the_plugin_itself_names_the_local_service() -> None:
    outside = [path for path in ROOM.rglob("*.py") if path.parent.name != "service"]
    naming = {named(path) for path in outside if any("service.service" in name for name in imported(path))}
    assert naming == COMPOSES


def test_the_local_service_shows_nothing_beyond_the_protocol() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(GPT2Service) == public(TextGenerator)


def test_a_process_without_extras_imports_none_of_them() -> None:
    told = "import sys, plugins.gpt2.plugin; print([m for m in ('ray', 'asyncpg', 'cryptography') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
