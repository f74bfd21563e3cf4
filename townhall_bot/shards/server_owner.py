"""One owner of each shard where the database is PostgreSQL: the server's advisory locks, for any number of machines.

They belong to a connection of their own and end with it, however its process ends. Where the connection is lost, they
are taken again; where somebody else has them by then, this process stops: two would answer everything twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from townhall_bot.shard_range import ShardRange
from townhall_bot.shards.owners import until_free
from townhall_bot.store import lock
from townhall_bot.store.connections import WRITE_PATIENCE_S

if TYPE_CHECKING:
    from townhall_bot.store.postgres import Session

log = logging.getLogger("townhall.shards")

PING_S = 2.0
CONNECT_S = 5.0
ALL = "townhall/all"
KEEPALIVE = {"tcp_keepalives_idle": "3", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "2"}
"""A machine that is gone without a word is noticed by the server within 7 s, and its locks are let go of."""
KEY = "hashtextextended(?, 0)"
HOLDERS = f"""SELECT activity.application_name FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE locktype = 'advisory' AND granted
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint = {KEY}"""


class ServerOwner:
    """Holds a range's locks at the server ``url`` from :meth:`take` until :meth:`release`; ``sleep`` is what waits.

    Without a range it is the one bot on this database, beside none with shards.
    """

    def __init__(
        self, url: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, *, ping_s: float = PING_S
    ) -> None:
        self._url, self._sleep, self._ping_s = url, sleep, ping_s
        self._session: Session | None = None
        self._ending = threading.Event()
        self._keeping: threading.Thread | None = None
        self._shards: ShardRange | None = None

    async def take(self, shards: ShardRange | None, wait_s: float) -> None:
        """Take every shard of a range, waiting up to ``wait_s`` seconds for another owner to end.

        Raises :class:`~townhall_bot.store.lock.Held`, which names the shard and its owner, and StoreError where the
        server cannot be used.
        """
        self._shards = shards
        await until_free(self._acquire, wait_s, self._sleep)
        self._keeping = threading.Thread(target=self._keep, name="townhall-shards", daemon=True)
        self._keeping.start()

    def release(self) -> None:
        """Let go of them; twice is fine."""
        self._ending.set()
        if self._keeping is not None:
            self._keeping.join(CONNECT_S)

    def _acquire(self) -> None:
        """Take all locks, or none and raise Held. For any thread, which then is the connection's."""
        from townhall_bot.store.postgres import Postgres, Session

        # Where the server is away, the store's own words tell.
        Postgres.open(self._url, lambda db: db.execute("SELECT 1")).end()
        me = f"townhall shards {self._shards or 'none'} process {os.getpid()} on {socket.gethostname()}"  # cut at 63
        session = Session(self._url, CONNECT_S, WRITE_PATIENCE_S, application_name=me[:63], **KEEPALIVE)
        try:
            self._lock_all(session)
        except BaseException:
            session.close()
            raise
        self._session = session

    def _lock_all(self, session: Session) -> None:
        shards = self._shards
        if shards is None:
            if not _had(session, f"pg_try_advisory_lock({KEY})", ALL):
                raise lock.Held(f"another Townhall serves with this database: {_holders(session, ALL)}. Stop it first.")
            return
        if not _had(session, f"pg_try_advisory_lock_shared({KEY})", ALL):
            raise lock.Held(
                "a Townhall without TOWNHALL_SHARDS serves with this database: "
                f"{_holders(session, ALL)}. Stop it first."
            )
        counts = set(re.findall(r"shards \S+/(\d+)", _holders(session, ALL))) - {str(shards.count)}
        if counts:
            raise lock.Held(
                f"other processes with this database run shards of {min(counts)}, this one would of {shards.count}. "
                "All must count alike: stop them all, then start them with the new TOWNHALL_SHARDS."
            )
        for shard in shards.ids:
            key = f"townhall/shard/{shard}"
            if not _had(session, f"pg_try_advisory_lock({KEY})", key):
                raise lock.Held(
                    f"shard {shard} of {shards.count} is served by another Townhall: {_holders(session, key)}. Give "
                    f"this one other shards than {shards} with TOWNHALL_SHARDS, or stop that one."
                )

    def _keep(self) -> None:
        while not self._ending.wait(self._ping_s):
            try:
                if self._session is None:
                    self._acquire()
                    log.warning("the shards' locks are held again")
                else:
                    self._session.execute("SELECT 1")
            except lock.Held as error:  # while the server was away another process took them
                log.error("%s This one stops.", error)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            except Exception as error:  # of the driver, whatever it raises: it is tried again
                log.warning("the shards' locks cannot be held just now: %s", type(error).__name__)
                if self._session is not None:
                    self._session.close()
                self._session = None
        if self._session is not None:
            self._session.close()


def _had(session: Session, call: str, key: str) -> bool:
    return bool(session.execute(f"SELECT {call}", (key,)).fetchone()[0])


def _holders(session: Session, key: str) -> str:
    """Return who holds a lock, by the names that they gave their connections."""
    return ", ".join(str(name) for (name,) in session.execute(HOLDERS, (key,)).fetchall()) or "one that just started"
