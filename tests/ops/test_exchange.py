"""Two databases of MariaDB are exchanged as a whole, or not at all."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pymysql
import pytest

from conf.sections import StoreSettings
from ops.backup import mariadb
from ops.processes import ProcessFailed
from ops.servers import mariadb as server
from tests.private_servers import PrivateServers

pytestmark = pytest.mark.servers


def connected(store: StoreSettings) -> Any:
    return closing(
        pymysql.connect(
            host=store.host, port=store.port, user=store.user, password=store.password, database=store.database
        )
    )


def filled(servers: PrivateServers, word: str) -> StoreSettings:
    """A database with a table that holds this word."""
    store = servers.fresh_database()
    with connected(store) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE words (word VARCHAR(20))")
        cursor.execute("INSERT INTO words VALUES (%s)", (word,))
        connection.commit()
    return store


def word(store: StoreSettings) -> str:
    with connected(store) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT word FROM words")
        return str(cursor.fetchone()[0])


def test_databases_are_not_exchanged_while_a_backup_reads_one(
    servers: PrivateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mariadb, "TABLES_FREE_WITHIN_S", 1)
    var, ours, fresh = servers.settings.var, filled(servers, "ours"), filled(servers, "fresh")
    with connected(ours) as backup, backup.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT * FROM words")
        with pytest.raises(ProcessFailed, match="Lock wait timeout exceeded"):
            mariadb.exchange(ours, var, fresh.database, f"{ours.database}_aside_1")
    assert (word(ours), word(fresh)) == ("ours", "fresh")
    mariadb.exchange(ours, var, fresh.database, f"{ours.database}_aside_2")
    assert word(ours) == "fresh"


def test_a_server_that_does_not_answer_is_a_sentence(servers: PrivateServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ANSWER_S", 1)
    with pytest.raises(ProcessFailed, match="has not answered within 1 s"):
        server.administer(servers.settings.var, "SELECT SLEEP(5);\n")
