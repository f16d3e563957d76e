"""Standalone's store: a SQLite file. A backup is a snapshot of it; a restore puts another file in its place.

Law: under the name of the store there is at every moment a whole file, the former or the new one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from conf.settings import Settings
from ops.backup import archive
from ops.backup.archive import Description
from ops.backup.stores import make_current, origin_of
from ops.processes import ProcessFailed
from ops.standalone import standalone_process
from store.engines import sqlite_files
from store.errors import Contention, StoreError


def back_up(settings: Settings, path: Path) -> Description:
    """Make the backup `path`, whether standalone runs or not. Raises StoreError, OSError."""
    store = _store(settings)
    if not store.exists():
        raise StoreError(f"there is no {store}: nothing was ever stored")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as directory:
        snapshot = Path(directory) / store.name
        sqlite_files.snapshot(store.absolute(), snapshot)
        origin = origin_of(_elsewhere(settings, snapshot))
        sqlite_files.fold(snapshot)
        with snapshot.open("rb") as source:
            return archive.write(path, origin, lambda content: shutil.copyfileobj(source, content))


@contextlib.contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """While the store is ours alone: a standalone that is started meanwhile ends with a sentence. Raises ProcessFailed
    where one runs, or any process has the file open."""
    process = standalone_process(settings)
    if process.pid is not None:
        raise ProcessFailed(f"standalone runs (pid {process.pid}): scripts/standalone.sh stop first.")
    store = _store(settings)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(sqlite_files.served_alone(store))
            if store.exists():
                sqlite_files.fold(store)
        except Contention as error:
            raise ProcessFailed(f"{error}: stop it first.") from None
        yield


def restore(settings: Settings, path: Path, said: Description, aside: str, *, end_sessions: bool) -> str:
    """Put the content of a backup in place of the store, which stays beside it under a name that ends in `aside`.
    Returns where. Raises BadBackup, StoreError, OSError; then the store is what it was."""
    store = _store(settings)
    store.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = store.with_name(store.name + ".restoring")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            archive.extract(path, said, file)
        sqlite_files.check(fresh)
        make_current(_elsewhere(settings, fresh), end_sessions=end_sessions)
        sqlite_files.fold(fresh)
        archive.sync(fresh)
        kept = store.with_name(f"{store.name}.{aside}")
        if store.exists():
            _keep(store, kept)
        fresh.replace(store)
        archive.sync(store.parent)
    finally:
        for leftover in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
            leftover.unlink(missing_ok=True)
    return str(kept) if kept.exists() else ""


def renew(settings: Settings, *, end_sessions: bool) -> None:
    """Renew the epoch of the store as it is. Raises StoreError."""
    if not _store(settings).exists():
        raise StoreError(f"there is no {_store(settings)}")
    make_current(settings, end_sessions=end_sessions)


def _store(settings: Settings) -> Path:
    return settings.var / settings.store.path


def _elsewhere(settings: Settings, path: Path) -> Settings:
    store = msgspec.structs.replace(settings.store, path=str(path.absolute()))
    return msgspec.structs.replace(settings, store=store)


def _keep(store: Path, kept: Path) -> None:
    """A second name for the same file, so that the first one never names none."""
    try:
        os.link(store, kept)
    except OSError:  # this file system has no hard links
        shutil.copy2(store, kept)
