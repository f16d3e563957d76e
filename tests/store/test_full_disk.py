"""A store that has no room refuses writes as such, says so until it has room again, and goes on by itself."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from structlog.testing import capture_logs

from conf.sections import StoreSettings
from ops.servers.flavour import installed
from ops.servers.mariadb import administer, mariadb_process
from store import meta
from store.database import Database, open_sqlite
from store.engines.mysql import MysqlEngine
from store.errors import CannotWrite, CommitUnknown, StoreAway
from store.tables import messages
from tests.private_servers import PrivateServers, free_ports
from tests.small_disk import SmallDisk, small_disk
from tests.store.engines import open_server
from tests.store.rows import message


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 3) as made:
        yield made


@pytest.fixture
def store(disk: SmallDisk) -> Iterator[Database]:
    database = open_sqlite(disk.path / "store.db", 2)
    meta.initialise(database, 8)
    yield database
    database.close()


def write(store: Database, seq: int, size: int = 60_000) -> None:
    with store.transaction() as tx:
        messages.insert(tx, [message("p:ann:bob", seq, body=f'{{"text":"{"x" * size}"}}')])


def write_until_full(store: Database) -> int:
    """How many were written."""
    for seq in range(1, 1000):
        try:
            write(store, seq)
        except CannotWrite:
            return seq - 1
    raise AssertionError("it is never full")


def test_a_full_disk_is_told_apart_and_nothing_of_the_write_is_stored(store: Database) -> None:
    written = write_until_full(store)
    with store.reading() as tx:
        assert tx.row("SELECT COUNT(*) FROM messages") == (written,), "reading goes on"
    assert store.cannot_write


def test_it_cannot_serve_until_there_is_room_again(store: Database, disk: SmallDisk) -> None:
    with capture_logs() as logged:
        written = write_until_full(store)
        for _ in range(3):
            with pytest.raises(CannotWrite):
                store.probe()
            with pytest.raises(CannotWrite):
                write(store, written + 1)
        disk.grow(30)
        store.probe()
    assert not store.cannot_write
    write(store, written + 1)
    assert [line["event"] for line in logged] == ["store_cannot_write", "store_can_write"]
    assert "SQLITE_FULL" in logged[0]["cause"] and str(disk.path) in logged[0]["cause"]


def test_the_proof_of_room_leaves_nothing_behind(store: Database, disk: SmallDisk) -> None:
    written = write_until_full(store)
    disk.grow(30)
    store.probe()
    with store.reading() as tx:
        assert tx.row("SELECT COUNT(*) FROM messages") == (written,)


def test_room_that_was_made_is_found(store: Database, disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(CannotWrite):
        write(store, 1)
    disk.make_room()
    store.probe()
    write(store, 1)


@pytest.mark.parametrize(
    "answer",
    [
        (1021, "Disk full (/tmp/#sql_1); waiting for someone to free some space..."),
        (1026, "Error writing file './x.frm' (errno: 28 \"No space left on device\")"),
        (1030, 'Got error 28 "No space left on device" from storage engine InnoDB'),
        (1030, 'Got error 122 "Disk quota exceeded" from storage engine InnoDB'),
        (1114, "The table 'messages' is full"),
        (1290, "The MariaDB server is running with the --read-only option so it cannot execute this statement"),
        (1836, "Running in read-only mode"),
        (3, "Error writing file '/tmp/MLfd=32' (Errcode: 28 \"No space left on device\")"),
        (3675, "Create table/tablespace 't' failed, as disk is full."),
    ],
    ids=lambda answer: str(answer[0]),
)
def test_what_mariadb_and_mysql_say_of_a_full_disk(answer: tuple[int, str]) -> None:
    engine = MysqlEngine("127.0.0.1", 1, "u", "p", "d", 1, 1)
    assert isinstance(engine.error(pymysql.OperationalError(*answer), "INSERT INTO messages"), CannotWrite)


def test_a_lost_server_is_no_full_one() -> None:
    engine = MysqlEngine("127.0.0.1", 1, "u", "p", "d", 1, 1)
    for answer in ((2013, "Lost connection during query"), (1030, "Got error 5 from storage engine")):
        mapped = engine.error(pymysql.OperationalError(*answer), "COMMIT")
        assert isinstance(mapped, StoreAway) and not isinstance(mapped, CannotWrite | CommitUnknown)


def test_a_read_only_mariadb_answers_and_cannot_write(servers: PrivateServers) -> None:
    store = open_server(servers.fresh_database())
    meta.initialise(store, 8)
    administer(servers.settings.var, "SET GLOBAL read_only = 1")
    try:
        for _ in range(2):
            with pytest.raises(CannotWrite):
                write(store, 1)
            with pytest.raises(CannotWrite):
                store.probe()
        with store.reading() as tx:
            assert tx.row("SELECT COUNT(*) FROM messages") == (0,)
    finally:
        administer(servers.settings.var, "SET GLOBAL read_only = 0")
    store.probe()
    assert not store.cannot_write
    write(store, 1)
    store.close()


@pytest.mark.servers
@pytest.mark.slow
def test_the_full_disk_of_a_mariadb(tmp_path: Path) -> None:
    size = 240 if installed().is_mysql else 160  # MySQL begins with more
    with small_disk(tmp_path / "disk", size) as disk:
        settings = StoreSettings(port=free_ports()["store"], password=secrets.token_hex(16))
        server = mariadb_process(settings, disk.path)
        server.start()
        try:
            server.await_ready(90)
            store = open_server(settings)
            meta.initialise(store, 8)
            written = write_until_full(store)
            assert store.cannot_write
            with pytest.raises(CannotWrite):
                store.probe()
            with store.reading() as tx:
                assert tx.row("SELECT COUNT(*) FROM messages") == (written,)
            disk.grow(size + 60)
            store.probe()
            write(store, written + 1)
            store.close()
        finally:
            server.stop()
