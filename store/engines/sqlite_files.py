"""SQLite files as a whole: who serves one, a snapshot of one that is in use, and the last words of one that is not.

Law: a file that these functions leave behind is complete by itself, without a write-ahead log beside it.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from store.errors import Contention, StoreError


@contextmanager
def served_alone(path: Path) -> Iterator[None]:
    """While nobody else serves the file, or puts another in its place: each of them holds the lock on `path`.lock,
    which the system lets go of when the process ends. Raises Contention where one does."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_name(f"{path.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Contention(f"another process serves {path}, or puts a backup in its place") from None
        yield


def snapshot(source: Path, target: Path) -> None:
    """Write what `source` holds at one moment to the new file `target`, by SQLite's backup API; others read and write
    meanwhile. Raises StoreError."""
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True)) as of,
            closing(sqlite3.connect(target)) as to,
        ):
            # All pages in one step: a step of some would begin anew whenever somebody writes.
            of.backup(to, pages=-1)
            to.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise StoreError(f"{source}: {error}") from error


def check(path: Path) -> None:
    """Return if the file is whole. Raises StoreError."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        found = [str(error)]
    if found != ["ok"]:
        raise StoreError(f"{path} is damaged: {'; '.join(found)}")


def fold(path: Path) -> None:
    """Put the write-ahead log into the file, which is then all there is of it. Raises Contention while anybody has the
    file open, StoreError."""
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise Contention(f"another process has {path} open") from error
        raise StoreError(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
