"""MariaDB killed, stopped, black-holed or full of users: every call ends in time, and service comes back by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from conf.sections import StoreSettings
from store import meta
from store.database import Database
from store.errors import StoreAway
from store.tables import messages
from tests.private_servers import PrivateServers
from tests.proxy import Proxy
from tests.store.engines import open_server
from tests.store.rows import timeline

ANSWER_S = 1.0
PATIENT_S = 3.0
SLACK_S = 2.0  # two shared cores


@pytest.fixture(scope="module")
def settings(servers: PrivateServers) -> StoreSettings:
    found = servers.fresh_database()
    database = open_server(found)
    meta.initialise(database, 8)
    database.close()
    return found


@pytest.fixture
def proxy(settings: StoreSettings) -> Iterator[Proxy]:
    with Proxy(settings.host, settings.port) as proxy:
        yield proxy


@pytest.fixture
def store(settings: StoreSettings, proxy: Proxy) -> Iterator[Database]:
    """A pool of four through the proxy, each of its waits at most a second."""
    database = open_server(settings, proxy.port, 4, ANSWER_S, ANSWER_S)
    yield database
    database.close()


def seconds_until_away(database: Database) -> float:
    started = time.monotonic()
    with pytest.raises(StoreAway):
        database.probe()
    return time.monotonic() - started


def fill(database: Database, connections: int) -> None:
    """Have that many connections open and idle."""
    if connections:
        with database.reading() as tx:
            tx.row("SELECT 1")
            fill(database, connections - 1)


@pytest.mark.slow
def test_a_connection_that_hangs_does_not_hold_up_the_others(settings: StoreSettings, proxy: Proxy) -> None:
    store = open_server(settings, proxy.port, 4, PATIENT_S, PATIENT_S)
    fill(store, 1)
    proxy.hold()
    with ThreadPoolExecutor(1) as thread:
        hanging = thread.submit(seconds_until_away, store)
        while "in_use=1" not in repr(store):
            time.sleep(0.001)
        started = time.monotonic()
        for _ in range(5):
            store.probe()  # on new connections
        assert not hanging.done()
        assert time.monotonic() - started < PATIENT_S
        assert hanging.result() < PATIENT_S + SLACK_S
    store.probe()
    store.close()


@pytest.mark.slow
def test_a_black_hole_is_answered_in_time_by_every_thread(store: Database, proxy: Proxy) -> None:
    fill(store, 4)
    proxy.black_hole()
    with ThreadPoolExecutor(12) as threads:
        waits = list(threads.map(seconds_until_away, [store] * 12))
    assert max(waits) < 2 * ANSWER_S + SLACK_S  # the wait for a connection, then for the database
    assert seconds_until_away(store) < ANSWER_S + SLACK_S  # a new connection
    proxy.restore()
    store.probe()
    assert "in_use=0" in repr(store)


def test_a_refused_connection_is_away_at_once(store: Database, proxy: Proxy) -> None:
    serial = store.connection_serial
    fill(store, 2)
    proxy.refuse()
    for _ in range(5):
        assert seconds_until_away(store) < SLACK_S
    proxy.restore()
    store.probe()
    assert store.connection_serial > serial


def test_when_all_connections_are_busy_the_next_one_is_told(store: Database) -> None:
    with store.reading(), store.reading(), store.reading(), store.reading():
        assert seconds_until_away(store) < ANSWER_S + SLACK_S
    store.probe()


def test_a_stopped_server_is_away_and_comes_back(store: Database, servers: PrivateServers) -> None:
    fill(store, 2)
    servers.stop("mariadb")
    try:
        assert seconds_until_away(store) < ANSWER_S + SLACK_S
    finally:
        servers.cont("mariadb")
    store.probe()


def test_what_was_committed_survives_a_killed_server(
    store: Database, settings: StoreSettings, servers: PrivateServers
) -> None:
    with store.transaction() as tx:
        messages.insert(tx, timeline("p:a:b", 50))
    fill(store, 4)
    serial = store.connection_serial
    try:
        with pytest.raises(StoreAway), store.transaction() as tx:
            messages.insert(tx, timeline("p:c:d", 50))
            servers.kill("mariadb")
            messages.tails(tx, ["p:c:d"])
        assert seconds_until_away(store) < SLACK_S
    finally:
        servers.start("mariadb")
    with store.reading() as tx:
        assert messages.tails(tx, ["p:a:b", "p:c:d"]).keys() == {"p:a:b"}
        assert tx.connection_serial > serial
    fill(store, 4)
