"""The store in PostgreSQL, for many processes: the same statements, on connections of their own threads.

A thread has its own connection and its own small event loop for it, so a slow server holds up nobody's heartbeat. Where
the server is away, what was asked for waits for it a while and is tried again; a change is never made twice. That while
counts from when it was asked for, and who reads in a long outage hardly waits: many ask then, and each has to be
answered before Discord gives it up.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, TypeVar

from townhall_bot.redaction import origin, redacted
from townhall_bot.store.connections import READ_PATIENCE_S, WRITE_PATIENCE_S
from townhall_bot.store.postgres_schema import Inspected, look, migrate
from townhall_bot.store.run import Database
from townhall_bot.store.schema import StoreError

T = TypeVar("T")

THREADS = 4
"""Connections that read, and as many that write."""
AGAIN_S = 0.2
AWAY_CURE = "It is tried again by itself; see whether the server runs and can be reached from here."
DRIVER_CURE = "Install it: pip install 'townhall-bot[postgres]'."
RETRIED = frozenset({"40001", "40P01"})
"""Transactions that stood in each other's way."""
FULL = "53100"


class Result:
    """What a statement gave; see :class:`~townhall_bot.store.run.Rows`."""

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def fetchone(self) -> Any:
        """Return the first row, None where there is none."""
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        return self._rows


class Session:
    """One connection, for the thread that made it."""

    def __init__(self, url: str, within_s: float, patience_s: float, **server_settings: str) -> None:
        import asyncpg

        self._loop = asyncio.new_event_loop()
        try:
            connecting = asyncpg.connect(
                url, timeout=within_s, command_timeout=patience_s, server_settings=server_settings
            )
            self.connection: Any = self.wait(connecting)
        except BaseException:
            self._loop.close()
            raise

    def wait(self, awaitable: Coroutine[Any, Any, T]) -> T:
        """Return what the driver returns."""
        return self._loop.run_until_complete(awaitable)

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Result:
        """Run a statement with ``?`` for its values."""
        text = numbered(statement)
        if text.lstrip().startswith(("SELECT", "WITH")) or " RETURNING " in text:
            rows = [tuple(row) for row in self.wait(self.connection.fetch(text, *values))]
            return Result(rows, len(rows))
        status: str = self.wait(self.connection.execute(text, *values))
        last = status.rsplit(" ", 1)[-1]
        return Result([], int(last) if last.isdigit() else 0)

    def lock(self, name: str) -> None:
        """Hold a lock until the transaction ends."""
        self.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (name,))

    def now(self) -> float:
        """Return Unix time by the server's clock, which all its clients share."""
        return float(self.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()[0])

    def close(self) -> None:
        """End the connection."""
        try:
            self.connection.terminate()
            self.wait(asyncio.sleep(0))
        finally:
            self._loop.close()


@functools.cache
def numbered(statement: str) -> str:
    """Return a statement with ``$1``, ``$2``… for each ``?``."""
    first, *others = statement.split("?")
    numbers = count(1)
    return first + "".join(f"${next(numbers)}{part}" for part in others)


class Postgres:
    """The connections to a server. See :class:`~townhall_bot.store.run.Run`."""

    def __init__(self, url: str) -> None:
        self.name = origin(url)
        self._url = url
        self._threads = {
            writes: ThreadPoolExecutor(THREADS, thread_name_prefix=f"townhall-store{'' if writes else '-read'}")
            for writes in (False, True)
        }
        self._mine = threading.local()
        self._sessions: set[Session] = set()
        self._closed = False
        self.failure: StoreError | None = None
        self._away: tuple[StoreError, float] | None = None
        """Why the server was away at the last attempt, and since when, by the monotonic clock."""

    @classmethod
    def open(cls, url: str, work: Callable[[Database], object] = migrate) -> Postgres:
        """Connect and bring the schema up to date, or do other ``work``; raise :class:`StoreError`. Blocks."""
        try:
            import asyncpg  # noqa: F401 - whether it is there
        except ImportError:
            raise StoreError("TOWNHALL_DATABASE names PostgreSQL, whose driver is missing", DRIVER_CURE) from None
        opened = cls(url)
        try:
            opened.do(work)
        except BaseException:
            opened.end()
            raise
        return opened

    def do(self, work: Callable[[Database], T]) -> T:
        """Do what may change something, for who may block."""
        until = time.monotonic() + WRITE_PATIENCE_S
        return self._threads[True].submit(functools.partial(self._attempts, work, until, writes=True)).result()

    async def read(self, work: Callable[[Database], T], /) -> T:
        """Do what only reads, of one moment."""
        return await self._do(work, writes=False)

    async def write(self, work: Callable[[Database], T], /) -> T:
        """Do what may change something."""
        return await self._do(work, writes=True)

    async def close(self) -> None:
        """Finish what was asked for and end the connections. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self.end)

    def end(self) -> None:
        """End the connections, where nothing is under way."""
        for threads in self._threads.values():
            threads.shutdown()
        for session in list(self._sessions):
            session.close()
        self._sessions.clear()

    async def _do(self, work: Callable[[Database], T], *, writes: bool) -> T:
        if self._closed:
            raise StoreError(f"the database {self.name} is closed: the bot is stopping", "Start it again.")
        until = time.monotonic() + (WRITE_PATIENCE_S if writes else READ_PATIENCE_S)
        attempts = functools.partial(self._attempts, work, until, writes=writes)
        # Shielded: whoever stops waiting (a cancelled command) must not leave a doubt about whether it was written.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads[writes], attempts))

    def _attempts(self, work: Callable[[Database], T], until: float, *, writes: bool) -> T:
        while True:
            now, away = time.monotonic(), self._away
            if away is not None:
                said, since = away
                if now >= until:  # it stood in line behind others that waited
                    raise said
                if not writes:
                    until = min(until, max(since + READ_PATIENCE_S, now + AGAIN_S))
            try:
                done = self._attempt(work, until, writes=writes)
            except StoreError as error:
                self.failure = error
                if error.kind != "away":
                    raise
                self._away = (error, now if self._away is None else self._away[1])
                if time.monotonic() + AGAIN_S >= until:
                    raise
                time.sleep(AGAIN_S)
            else:
                self.failure = self._away = None
                return done

    def _attempt(self, work: Callable[[Database], T], until: float, *, writes: bool) -> T:
        import asyncpg

        committing = False
        try:
            session = self._session(max(0.1, until - time.monotonic()), WRITE_PATIENCE_S if writes else READ_PATIENCE_S)
            session.execute("BEGIN" if writes else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                done = work(session)
            except BaseException:
                session.execute("ROLLBACK")
                raise
            committing = writes
            session.execute("COMMIT")
        except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
            if isinstance(error, asyncpg.DataError):  # a value that no column holds; the connection is well
                raise ValueError(redacted(error)) from error
            self._drop()
            raise self._told(error, in_doubt=committing) from error
        return done

    def _session(self, within_s: float, patience_s: float) -> Session:
        session: Session | None = getattr(self._mine, "session", None)
        if session is None or session.connection.is_closed():
            self._drop()
            session = self._mine.session = Session(self._url, within_s, patience_s)
            self._sessions.add(session)
        return session

    def _drop(self) -> None:
        session: Session | None = getattr(self._mine, "session", None)
        self._mine.session = None
        if session is not None:
            self._sessions.discard(session)
            session.close()

    def _told(self, error: Exception, *, in_doubt: bool) -> StoreError:
        import asyncpg

        said = redacted(error) or type(error).__name__
        code = getattr(error, "sqlstate", None) or ""
        if code == FULL:
            return StoreError(f"there is no room at {self.name}", "Free space on the server's disk.", kind="full")
        lost = isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError)
        if lost or code[:2] in ("08", "57") or code in RETRIED:
            if in_doubt and code not in RETRIED:
                return StoreError(  # not tried again: it might be made twice
                    f"the database {self.name} went away in the moment a change was kept: {said}",
                    "Look whether it was, and try it again where it was not.",
                    kind="doubt",
                )
            return StoreError(f"the database {self.name} is away: {said}", AWAY_CURE, kind="away")
        return StoreError(f"the database {self.name} cannot be used: {said}", "Check TOWNHALL_DATABASE.")


def inspect(url: str) -> tuple[str, dict[str, Any]]:
    """Return a database's state in words and the core's own values. Changes nothing; raises :class:`StoreError`."""
    found: list[Inspected] = []
    opened = Postgres.open(url, lambda db: found.append(look(db)))
    opened.end()
    schema, values = found[-1]
    return f"{opened.name}, {f'schema {schema}' if schema else 'whose tables the first start makes'}", values
