"""A PostgreSQL server of the tests' own, on a socket in a folder of theirs, and a store in it or in SQLite."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from townhall_bot.store import Store

OpenStore = Callable[[], Store]
numbers = itertools.count()


class Server:
    """A server on a socket in ``folder``; root may not run one, and gives it to the user that Debian made for it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self.folder = programs, folder
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", str(folder / "data"), "-U", "town", "-A", "trust", "--no-sync", "--locale=C.UTF-8")
        self.start()

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c shared_buffers=8MB"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-o", options, "-l", str(self.folder / "log"), "start"
        )

    def stop(self, how: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", how, "stop")

    def database(self) -> str:
        """Return the address of a database made for it."""
        name = f"townhall{next(numbers)}"
        self._run("createdb", "-h", str(self.folder), "-U", "town", name)
        return f"postgresql://town:hushhush@/{name}?host={quote(str(self.folder), safe='')}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    pytest.importorskip("asyncpg", reason="asyncpg is not installed: pip install 'townhall-bot[postgres]'")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt install postgresql)")
    if os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        pytest.skip("root may not run PostgreSQL, and there is no user postgres")
    with tempfile.TemporaryDirectory(prefix="townhall-pg-") as folder:  # a socket's path may not be long
        Path(folder).chmod(0o755)
        server = Server(programs[-1], Path(folder))
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Return what opens the same database each time."""
    if request.param == "sqlite":
        return lambda: Store.open(tmp_path / "townhall.db")
    url = request.getfixturevalue("postgres_server").database()
    return lambda: Store.connect(url)


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[Store]:
    store = open_store()
    yield store
    await store.close()
