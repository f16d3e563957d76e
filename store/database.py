"""The pool and its transactions.

Laws:
- A transaction whose `with` block raises is rolled back at once. Any other is committed, and only when COMMIT returned
  is it stored; a COMMIT that got no answer raises `CommitUnknown`.
- No statement is ever repeated by the pool. (DBUtils, left to itself, repeats a failed statement alone on a new
  connection and then commits half of the transaction; here it pools, and never retries.)
- Every wait has an end: for a free connection, for the database, for a lock of the pool.
- A connection on which anything was lost is closed, never used again.
"""

from __future__ import annotations

import secrets
import ssl
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
from store.errors import CannotWrite, CommitUnknown, StoreAway, StoreError
from store.transaction import Transaction

_LOCK_WAIT_S = 60.0
_ROOM = ("~", "_store")  # conversation and sender of the rows that prove that there is room
_ROOM_ROWS, _ROOM_BODY = 4, "x" * 48 * 1024
log = structlog.get_logger()


class _NeverRaised(Exception):
    """The failures at which DBUtils may act by itself: none."""


class _Connector:
    """What PooledDB takes for a DB-API module (PEP 249). Level 1: threads may share it, not connections."""

    threadsafety = 1

    def __init__(self, database: Database) -> None:
        self._database = database

    def connect(self) -> Connection:
        return Connection(self._database.engine, self._database.note_loss)


class Database:
    """At most `connections` connections to one engine; any number of threads may use it. Every method blocks.

    `connection_serial`, of the database and of each transaction, rises whenever a connection was lost: behind the next
    one may be another server, or older data, so what a caller remembers of the store may be wrong.
    """

    def __init__(self, engine: Engine, connections: int) -> None:
        self.engine = engine
        self.connection_serial = 1
        self._counting = threading.Lock()
        self._closed = threading.Event()
        self._connections = connections
        self._free = threading.BoundedSemaphore(connections)
        self._in_use = 0
        self._cannot_write = ""
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
        """BEGIN ... COMMIT; any exception rolls back. Raises StoreAway where no connection is to be had within
        `engine.wait_s` seconds, CommitUnknown, Contention, or what a statement raises.

        `while_waiting` is called at each INSERT while the server works. It must not raise. If it takes over 3 s the
        server may end the connection (_IDLE_IN_TRANSACTION_S): then StoreAway is raised, and nothing was written.
        """
        with self._taken() as steady, self._begun(steady, write=True, while_waiting=while_waiting) as tx:
            yield tx

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction for reading; anything that is written in it is rolled back. Raises what `transaction` raises,
        except CommitUnknown.

        All its statements see the store at one moment: so what is decided by one of them holds for the others.
        """
        with self._taken() as steady, self._begun(steady, write=False) as tx:
            yield tx

    @contextmanager
    def exclusive(self, name: str) -> Iterator[Transaction]:
        """A transaction under the lock `name`, which one process of all holds at a time. Raises StoreAway after waiting
        60 s for it (over SQLite Contention after 5 s), and what `transaction` raises.

        The lock is given up after the COMMIT, so that the next holder sees what was written.
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

    @property
    def cannot_write(self) -> bool:
        """Whether the store has refused to write, and no `probe` has found since that it takes writes again."""
        return bool(self._cannot_write)

    def probe(self) -> None:
        """Return if the store can serve: it answers and, where it has refused to write, takes a write again. Raises
        StoreAway if it cannot, Contention if it is busy."""
        if not self.cannot_write:
            with self.reading() as tx:
                tx.row("SELECT 1")
            return
        self._prove_room()
        self._cannot_write = ""
        log.info("store_can_write", store=repr(self.engine))

    def close(self) -> None:
        """Close the idle connections; a connection in use closes when its transaction ends. Every later use raises
        StoreAway."""
        self._closed.set()
        self._pool.close()

    def note_loss(self) -> None:
        """Count that a connection was lost or given up. Any thread may call it."""
        with self._counting:
            self.connection_serial += 1
            serial = self.connection_serial
        log.warning("store_connection_lost", store=repr(self.engine), serial=serial)

    def _prove_room(self) -> None:
        """Write 192 KiB, and take them away again: into the table that grows, whose file has to take them. A reading
        probe would succeed, and so would a small write now and then."""
        condition, own = "WHERE conversation = %s AND sender = %s AND cid LIKE %s", secrets.token_hex(8)
        columns = ("conversation", "seq", "sender", "cid", "type", "body", "time", "counted", "digest")
        first = secrets.randbits(40)
        rows = [
            (_ROOM[0], first + n, _ROOM[1], f"{own}-{n}", "room", _ROOM_BODY, 0, 0, bytes(16))
            for n in range(_ROOM_ROWS)
        ]
        with self.transaction() as tx:
            tx.insert("messages", columns, rows)
        with self.transaction() as tx:
            tx.execute(f"DELETE FROM messages {condition}", (*_ROOM, f"{own}-%"))

    @contextmanager
    def _taken(self) -> Iterator[Any]:
        """A connection of the pool. Raises StoreAway where none is free in time: the store is too slow to take more."""
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
            if isinstance(error, CannotWrite):
                self._note_cannot_write(error)
            elif isinstance(error, StoreAway) or not isinstance(error, Exception):
                connection.discard()
            steady.rollback()
            raise

    def _commit(self, steady: Any) -> None:
        try:
            steady.commit()
        except self.engine.errors as error:
            mapped = self.engine.error(error, "COMMIT")
            is_unknown = isinstance(mapped, StoreAway) and not isinstance(mapped, CannotWrite)
            raise CommitUnknown(str(mapped)) if is_unknown else mapped from error

    def _note_cannot_write(self, error: CannotWrite) -> None:
        """Named once, until it can write again."""
        if not self.cannot_write:
            log.error("store_cannot_write", store=repr(self.engine), cause=str(error))
        self._cannot_write = str(error)

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
    tls: ssl.SSLContext | None = None,
) -> Database:
    """A pool to MariaDB or MySQL, which connects when it is first used. Raises nothing.

    `connect_timeout_s` also bounds the wait for a free connection; `read_timeout_s` bounds each statement. A migration
    that rewrites a large table needs hours for one; nothing else does. With `tls` the server must speak it, and show
    the certificate that the context asks for; without it nothing is encrypted.
    """
    engine = MysqlEngine(host, port, user, password, database, connect_timeout_s, read_timeout_s, tls)
    return Database(engine, connections)


def open_sqlite(path: str | Path, connections: int) -> Database:
    """A pool to one SQLite file, which is made at its first use; its directory exists."""
    return Database(SqliteEngine(path), connections)
