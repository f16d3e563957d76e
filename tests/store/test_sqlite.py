"""SQLite: durable, one writer at a time without errors, and what a killed process leaves behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store import meta
from store.database import Database, open_sqlite
from store.engines.sqlite import SqliteEngine
from store.errors import StoreAway
from store.tables import messages
from tests.store.rows import message, timeline


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Database]:
    database = open_sqlite(path, 4)
    meta.initialise(database, 8)
    yield database
    database.close()


def test_each_commit_reaches_the_disk(store: Database) -> None:
    with store.reading() as tx:
        assert tx.row("PRAGMA journal_mode") == ("wal",)
        assert tx.row("PRAGMA synchronous") == (2,)


def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    """One of them turns it to WAL; the others wait for that instead of failing."""
    side_by_side = 6
    for number in range(40):
        engine = SqliteEngine(tmp_path / f"{number}.db")
        ready = threading.Barrier(side_by_side)

        def open_once(engine: SqliteEngine = engine, ready: threading.Barrier = ready) -> None:
            ready.wait()
            engine.open().close()

        with ThreadPoolExecutor(side_by_side) as threads:
            for opening in [threads.submit(open_once) for _ in range(side_by_side)]:
                opening.result()


def test_a_reader_does_not_wait_for_a_writer(store: Database) -> None:
    with store.transaction() as tx:
        messages.insert(tx, timeline("p:a:b", 1))
        with store.reading() as reader:
            assert messages.tails(reader, ["p:a:b"]) == {}


def test_a_writer_waits_for_another_process(store: Database, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def write() -> None:
        with store.transaction() as tx:
            messages.insert(tx, timeline("p:a:b", 1))

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(write)
        while "in_use=1" not in repr(store):
            time.sleep(0.001)
        assert not waiting.done()
        other.execute("COMMIT")
        waiting.result(10)
    other.close()
    with store.reading() as tx:
        assert messages.tails(tx, ["p:a:b"])["p:a:b"].seq == 1


def _write_until_killed(path: Path, committed: multiprocessing.connection.Connection) -> None:
    database = open_sqlite(path, 1)
    for seq in range(1, 1_000_000):
        with database.transaction() as tx:
            messages.insert(tx, [message("p:a:b", seq), message("p:c:d", seq)])
        committed.send(seq)


def test_a_killed_process_leaves_whole_transactions_and_all_that_it_committed(store: Database, path: Path) -> None:
    mine, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_write_until_killed, args=(path, its), daemon=True)
    process.start()
    its.close()
    acknowledged = 0
    while acknowledged < 50:
        acknowledged = mine.recv()
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    while mine.poll():
        try:
            acknowledged = mine.recv()
        except EOFError:
            break
    with store.transaction() as tx:  # the lock of the dead process is gone
        tails = messages.tails(tx, ["p:a:b", "p:c:d"])
    assert tails["p:a:b"].seq == tails["p:c:d"].seq >= acknowledged


def test_a_full_disk_is_away_and_leaves_nothing_of_the_transaction(path: Path) -> None:
    store = open_sqlite(path, 1)
    meta.initialise(store, 8)
    with store.reading() as tx:
        pages = tx.row("PRAGMA page_count")
        assert pages is not None
        tx.execute(f"PRAGMA max_page_count = {pages[0] + 20}")
    with pytest.raises(StoreAway), store.transaction() as tx:
        messages.insert(tx, timeline("p:a:b", 10))
        messages.insert(tx, [message("p:c:d", 1, body="b" * 1_000_000)])
    with store.transaction() as tx:
        assert messages.tails(tx, ["p:a:b", "p:c:d"]) == {}
        messages.insert(tx, timeline("p:a:b", 1))
    store.close()


def test_a_directory_that_is_missing_is_away(tmp_path: Path) -> None:
    with pytest.raises(StoreAway):
        open_sqlite(tmp_path / "nowhere" / "store.db", 1).probe()
