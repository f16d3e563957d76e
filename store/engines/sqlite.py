"""SQLite: the store of one process, in one file.

Laws: WAL with synchronous=FULL, so that a COMMIT that returned survives a power cut. Writers of this process wait for
each other on a lock, which wakes the next one at once; for writers of other processes SQLite's busy handler polls.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from store.engines.dialect import Dialect, SqliteDialect, constraint_of_columns, marks
from store.engines.engine import Row, WhileWaiting
from store.errors import AlreadyDone, BadValue, CannotWrite, Contention, Duplicate, StoreAway, StoreError

_BUSY_TIMEOUT_S = 5.0
_MODE_RETRY_S = 0.01
# While a backup holds its moment, what others write stays in the log; its file would keep the size that it then has.
_LOG_BYTES = 64 * 1024 * 1024
_AWAY = frozenset({"SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_NOMEM"})
# A full disk; a quota or a file's limit, which SQLite does not tell from a broken disk; no room for the WAL's index.
_UNWRITABLE = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_TRUNCATE", "SQLITE_IOERR_SHMSIZE")


class SqliteEngine:
    """The Engine of one file, whose directory exists. Connections may move between threads."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error, UnicodeEncodeError, OverflowError)

    def __init__(self, path: str | Path) -> None:
        self.dialect: Dialect = SqliteDialect()
        self.wait_s = _BUSY_TIMEOUT_S
        self._path = str(path)
        self._writing = threading.Lock()
        self._writer: Any = None

    def __repr__(self) -> str:
        return f"sqlite {self._path}"

    def open(self) -> sqlite3.Connection:
        raw = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            _into_wal(raw)
            raw.execute("PRAGMA synchronous=FULL")
            raw.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
        except BaseException:
            raw.close()
            raise
        return raw

    def begin(self, raw: Any, write: bool) -> None:
        if not write:
            raw.execute("BEGIN")
            return
        if not self._writing.acquire(timeout=_BUSY_TIMEOUT_S):
            raise Contention("another thread writes for too long")
        self._writer = raw
        try:
            raw.execute("BEGIN IMMEDIATE")
        except BaseException:
            self.end(raw)
            raise

    def end(self, raw: Any) -> None:
        if raw is not None and self._writer is raw:
            self._writer = None
            self._writing.release()

    def insert(
        self, cursor: Any, head: str, rows: Sequence[Row], tail: str, while_waiting: WhileWaiting | None = None
    ) -> int:
        """All rows or none, as one statement of MySQL. There is no server to wait for, so `while_waiting` is called
        first."""
        if while_waiting is not None:
            while_waiting()
        cursor.execute("SAVEPOINT rows")
        try:
            cursor.executemany(self.dialect.statement(f"{head}({marks(len(rows[0]))}){tail}"), rows)
            count = int(cursor.rowcount)
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk may have ended the whole transaction
                cursor.execute("ROLLBACK TO rows")
            raise
        cursor.execute("RELEASE rows")
        return count

    def lock(self, cursor: Any, name: str) -> bool:
        """Always: a writing transaction excludes every other by itself."""
        return True

    def unlock(self, cursor: Any, name: str) -> None:
        """The transaction has ended, and the exclusion with it."""

    def error(self, error: Exception, sql: str) -> StoreError:
        if isinstance(error, UnicodeEncodeError | OverflowError):
            return BadValue(type(error).__name__)
        code = getattr(error, "sqlite_errorname", "") or ""
        said = str(error)
        if code in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
            return Duplicate(constraint_of_columns(said.partition(": ")[2]))
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Contention(said)
        if code.startswith(_UNWRITABLE):
            return CannotWrite(f"{code}: {said} ({self._path})")
        if "_".join(code.split("_")[:2]) in _AWAY:
            return StoreAway(said)
        is_gone = ("DROP COLUMN" in sql and "no such column" in said) or "no such index" in said
        if is_gone or "already exists" in said or "duplicate column" in said:
            return AlreadyDone(said)
        if code.startswith(("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")):
            return BadValue(said)
        return StoreError(f"{code or type(error).__name__}: {said}")


def _into_wal(raw: sqlite3.Connection) -> None:
    """Switch to WAL, again and again for 5 s: where several connections open a new file at once, SQLite refuses all but
    one, and its busy handler does not wait for this lock."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                raise
        time.sleep(_MODE_RETRY_S)
