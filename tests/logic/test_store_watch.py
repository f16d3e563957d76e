"""Noticing that the store is away: by a probe while nobody works, by what commands meet else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logic.workers import store_watch
from logic.workers.store_watch import StoreWatch
from store import meta
from store.database import Database, open_sqlite
from tests.private_servers import PrivateServers
from tests.store.engines import open_server

WAIT_S = 15.0


@contextmanager
def watching(database: Database) -> Iterator[StoreWatch]:
    watch = StoreWatch(database)
    watch.start()
    try:
        yield watch
    finally:
        watch.close()
        database.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_server_is_noticed_and_its_return(servers: PrivateServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_watch, "PROBE_S", 0.2)
    with watching(open_server(servers.fresh_database())) as watch:
        servers.kill("mariadb")
        try:
            until(lambda: watch.is_away)
        finally:
            servers.start("mariadb")
        until(lambda: not watch.is_away)


@pytest.mark.slow
def test_a_server_that_hangs_is_noticed(servers: PrivateServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_watch, "PROBE_S", 0.2)
    database = open_server(servers.fresh_database(), connect_timeout_s=1, read_timeout_s=1)
    database.probe()  # it is connected
    with watching(database) as watch:
        servers.stop("mariadb")
        try:
            until(lambda: watch.is_away)
        finally:
            servers.cont("mariadb")
        until(lambda: not watch.is_away)


def test_a_worker_that_works_is_not_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pool is closed, so that every probe fails: none does as long as there is work."""
    monkeypatch.setattr(store_watch, "PROBE_S", 0.05)
    database = open_sqlite(tmp_path / "store.db", 1)
    meta.initialise(database, 1)
    with watching(database) as watch:
        database.close()
        busy_until = time.monotonic() + 0.5
        while time.monotonic() < busy_until:
            watch.worked()
            assert not watch.is_away
        until(lambda: watch.is_away)


@pytest.mark.slow
def test_what_a_command_meets_counts_at_once(tmp_path: Path) -> None:
    with watching(open_sqlite(tmp_path / "store.db", 1)) as watch:
        watch.failed()
        assert watch.is_away
        watch.worked()
        assert not watch.is_away
        watch.failed()
        until(lambda: not watch.is_away)  # it was only once
