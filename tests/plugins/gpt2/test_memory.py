from __future__ import annotations

from pathlib import Path

import pytest

from plugins.gpt2 import memory


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with 8 GB available and no container."""
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal:  16000000 kB\nMemAvailable:    8000000 kB\n")
    return tmp_path


def test_the_system_says_what_is_available(machine: Path) -> None:
    assert memory.available_bytes() == 8_000_000 * 1024


def test_a_containers_limit_counts_where_it_is_less(machine: Path) -> None:
    (machine / "memory.max").write_text("1000000000\n")
    (machine / "memory.current").write_text("400000000\n")
    assert memory.available_bytes() == 600_000_000
    assert memory.total_bytes() == 1_000_000_000


def test_a_container_without_a_limit_changes_nothing(machine: Path) -> None:
    (machine / "memory.max").write_text("max\n")
    (machine / "memory.current").write_text("400000000\n")
    assert memory.available_bytes() == 8_000_000 * 1024


def test_where_nothing_is_known_nothing_is_claimed(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert memory.available_bytes() is None


def test_this_machine_has_memory() -> None:
    total = memory.total_bytes()
    assert total is None or total > 10**8
