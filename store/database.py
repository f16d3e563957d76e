"""The pool and its transactions.

Laws:
- A transaction that leaves its `with` block by an exception is rolled back at once; else it is committed, and only a
  COMMIT that returned counts. A COMMIT without an answer is `CommitUnknown`.
- No statement is ever run again by itself. (DBUtils, left to itself, repeats a failed statement alone on a new
  connection and then commits half of the transaction; here it pools, and never retries.)
- Nobody waits without end: not for a free connection, not for the database, not for a lock of the pool.
- A connection on which anything was lost is closed, never used again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from dbutils.pooled_db import PooledDB

from store.engines.connection import Connection
from store.engines.engine import Engine, WhileWaiting
from store.engines.mysql import MysqlEngine
from store.engines.sqlite import SqliteEngine
from store.errors import CommitUnknown, StoreAway, StoreError
from store.transaction import Transaction

_LOCK_WAIT_S = 60.0
log = structlog.get_logger()


class _NeverRaised(Exception):
    """The failures at which DBUtils may act by itself: none."""


class _Connector:
    """What PooledDB takes for a DB-API module."""

    threadsafety = 1

    def __init__(self, database: Database) -> None:
        self._database = database

    def connect(self) -> Connection:
        return Connection(self._database.engine, self._database.note_loss)


class Database:
    """At most `connections` connections to one engine; safe for any number of threads.

    `connection_serial`, here and of each transaction, rises whenever a connection was lost: what a caller remembers of
    the store may then be of another store, or of another time.
    """

    def __init__(self, engine: Engine, connections: int) -> None:
        self.engine = engine
        self.connection_serial = 1
        self._counting = threading.Lock()
        self._closed = threading.Event()
        self._connections = connections
        self._free = threading.BoundedSemaphore(connections)
        self._in_use = 0
        self._pool = PooledDB(
            _Connector(self),
            maxcached=connections,
            maxconnections=connections,
            reset=False,
            ping=0,
            failures=_NeverRaised,
        )

    def __repr__(self) -> str:
        return f"<Database {self.engine!r} in_use={self._in_use}/{self._connections} serial={self.connection_serial}>"

    @contextmanager
    def transaction(self, while_waiting: WhileWaiting | None = None) -> Iterator[Transaction]:
        """BEGIN ... COMMIT; any exception rolls back. Raises StoreError or a subclass.

        `while_waiting` is called at each INSERT while the server works. It must not raise. Where it takes long the
        server may end the connection (_IDLE_IN_TRANSACTION_S): StoreAway, and nothing was written.
        """
        with self._taken() as steady, self._begun(steady, write=True, while_waiting=while_waiting) as tx:
            yield tx

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Reads on one connection; whatever is written here is rolled back."""
        with self._taken() as steady, self._begun(steady, write=False) as tx:
            yield tx

    @contextmanager
    def exclusive(self, name: str) -> Iterator[Transaction]:
        """A transaction that only one process of all runs at a time; the others wait up to 60 s, then StoreAway.

        The lock outlives the COMMIT, so that the next one to hold it sees what was written.
        """
        with self._taken() as steady:
            serial = self._lock(steady, name)
            try:
                with self._begun(steady, write=True) as tx:
                    if tx.connection_serial != serial:
                        raise StoreAway("the connection that held the lock was lost")
                    yield tx
            finally:
                self._unlock(steady, name)

    def probe(self) -> None:
        """Raise StoreAway unless the store answers."""
        with self.reading() as tx:
            tx.row("SELECT 1")

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back. Every later use raises StoreAway."""
        self._closed.set()
        self._pool.close()

    def note_loss(self) -> None:
        """A connection was lost or given up."""
        with self._counting:
            self.connection_serial += 1
            serial = self.connection_serial
        log.warning("store_connection_lost", store=repr(self.engine), serial=serial)

    @contextmanager
    def _taken(self) -> Iterator[Any]:
        """A connection of the pool. None free in time: the store is too slow to take more."""
        if self._closed.is_set():
            raise StoreAway("the pool is closed")
        if not self._free.acquire(timeout=self.engine.wait_s):
            raise StoreAway(f"all {self._connections} connections are in use")
        self._count(1)
        pooled = self._pool.connection(shareable=False)
        try:
            yield pooled
        finally:
            if self._closed.is_set():
                pooled.dbapi_connection.close()
            pooled.close()  # back to the pool
            self._count(-1)
            self._free.release()

    def _count(self, change: int) -> None:
        with self._counting:
            self._in_use += change

    @contextmanager
    def _begun(self, steady: Any, write: bool, while_waiting: WhileWaiting | None = None) -> Iterator[Transaction]:
        connection: Connection = steady.dbapi_connection
        try:
            steady.begin(write)
            tx = Transaction(self.engine, steady.cursor(), self.connection_serial, while_waiting)
            yield tx
            tx.raise_if_failed()
            if write:
                self._commit(steady)
            else:
                steady.rollback()
        except BaseException as error:
            # an interrupted exchange (BaseException) leaves an answer unread: that connection is of no use either
            if isinstance(error, StoreAway) or not isinstance(error, Exception):
                connection.discard()
            steady.rollback()
            raise

    def _commit(self, steady: Any) -> None:
        try:
            steady.commit()
        except self.engine.errors as error:
            mapped = self.engine.error(error, "COMMIT")
            raise CommitUnknown(str(mapped)) if isinstance(mapped, StoreAway) else mapped from error

    def _lock(self, steady: Any, name: str) -> int:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while time.monotonic() < deadline:
            with self._begun(steady, write=False) as tx:
                if self._engine_call(self.engine.lock, steady, name):
                    return tx.connection_serial
        raise StoreAway(f"the lock {name} is held by another process")

    def _unlock(self, steady: Any, name: str) -> None:
        try:
            with self._begun(steady, write=False):
                self._engine_call(self.engine.unlock, steady, name)
        except StoreError as error:  # the server gives the lock back when it sees the connection end
            steady.dbapi_connection.discard()
            log.warning("store_unlock_failed", name=name, error=str(error))

    def _engine_call(self, call: Any, steady: Any, name: str) -> Any:
        try:
            return call(steady.cursor(), name)
        except self.engine.errors as error:
            raise self.engine.error(error, name) from error


def open_mysql(
    host: str,
    port: int,
    user: str,
    password: str,
    database: str,
    connections: int,
    connect_timeout_s: float,
    read_timeout_s: float,
) -> Database:
    """A pool to MariaDB or MySQL. Connects when it is first used.

    A migration that rewrites a large table needs a `read_timeout_s` of hours; nothing else does.
    """
    engine = MysqlEngine(host, port, user, password, database, connect_timeout_s, read_timeout_s)
    return Database(engine, connections)


def open_sqlite(path: str | Path, connections: int) -> Database:
    """A pool to one SQLite file, made if missing, in a directory that exists."""
    return Database(SqliteEngine(path), connections)
