from __future__ import annotations

from pathlib import Path

import pytest

from townhall_bot.machine import memory
from townhall_bot.ops import doctor

GIGABYTE = 1_000_000_000


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with 8 GB available and no container; returns where its control groups are."""
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "cgroup")
    (tmp_path / "meminfo").write_text("MemTotal:  16000000 kB\nMemAvailable:    8000000 kB\n")
    (tmp_path / "own").write_text("0::/\n")
    (tmp_path / "cgroup").mkdir()
    return tmp_path / "cgroup"


def limit(folder: Path, most: str, used: int, cached: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\nactive_file 7\n")


def test_the_system_says_what_is_available(machine: Path) -> None:
    assert memory.available_bytes() == 8_000_000 * 1024


def test_a_containers_limit_counts_where_it_is_less(machine: Path) -> None:
    limit(machine, str(GIGABYTE), 400_000_000)
    assert memory.available_bytes() == 600_000_000
    assert memory.total_bytes() == GIGABYTE


def test_files_that_the_kernel_only_caches_are_not_in_the_way(machine: Path) -> None:
    limit(machine, str(GIGABYTE), 900_000_000, cached=500_000_000)
    assert memory.available_bytes() == 600_000_000


def test_a_container_without_a_limit_changes_nothing(machine: Path) -> None:
    limit(machine, "max", 400_000_000)
    assert memory.available_bytes() == 8_000_000 * 1024


def test_a_services_own_limit_counts_and_those_around_it(machine: Path) -> None:
    machine.with_name("own").write_text("0::/system.slice/townhall.service\n")
    limit(machine / "system.slice" / "townhall.service", str(2 * GIGABYTE), 500_000_000)
    assert (memory.total_bytes(), memory.available_bytes()) == (2 * GIGABYTE, 1_500_000_000)
    limit(machine / "system.slice", str(3 * GIGABYTE), 2_900_000_000)
    assert (memory.total_bytes(), memory.available_bytes()) == (2 * GIGABYTE, 100_000_000)


def test_an_older_systems_container_has_its_limit_in_other_files(machine: Path) -> None:
    machine.with_name("own").write_text("5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/\n")
    folder = machine / "memory" / "docker" / "1"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{GIGABYTE}\n")
    (folder / "memory.usage_in_bytes").write_text("300000000\n")
    (machine / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert (memory.total_bytes(), memory.available_bytes()) == (GIGABYTE, 700_000_000)


def test_where_nothing_is_known_nothing_is_claimed(machine: Path) -> None:
    machine.with_name("meminfo").unlink()
    machine.with_name("own").unlink()
    assert memory.available_bytes() is None


def test_this_machine_has_memory() -> None:
    total = memory.total_bytes()
    assert total is None or total > 10**8


def test_townhall_doctor_tells_what_the_container_has_left_and_not_the_machine(machine: Path) -> None:
    limit(machine, str(GIGABYTE), 900_000_000)
    check = doctor.memory()
    assert (check.ok, check.detail) == (False, "100 MB available")
