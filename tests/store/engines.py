"""A Database on each engine, its schema in place and its tables empty, for the tests of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conf.sections import StoreSettings
from conf.tls import tls_context
from store import meta
from store.database import Database, open_mysql, open_sqlite
from store.engines.dialect import CONSTRAINTS

TABLES = sorted({constraint.table for constraint in CONSTRAINTS} - {"meta"})
ENGINES = ("sqlite", pytest.param("mysql", marks=pytest.mark.servers))


def open_server(
    settings: StoreSettings,
    port: int | None = None,
    connections: int = 4,
    connect_timeout_s: float = 2.0,
    read_timeout_s: float = 5.0,
) -> Database:
    """A pool to the MariaDB of `settings`, through `port` where a proxy stands in between."""
    return open_mysql(
        settings.host,
        port or settings.port,
        settings.user,
        settings.password,
        settings.database,
        connections,
        connect_timeout_s,
        read_timeout_s,
        tls_context(settings),
    )


def empty(database: Database) -> None:
    with database.transaction() as tx:
        for table in TABLES:
            tx.execute(f"DELETE FROM {table}")


@pytest.fixture(scope="module", params=ENGINES)
def filled_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        database = open_sqlite(tmp_path_factory.mktemp("store") / "store.db", 4)
    else:
        database = open_server(request.getfixturevalue("servers").fresh_database())
    meta.initialise(database, 8)
    yield database
    database.close()


@pytest.fixture
def database(filled_once: Database) -> Database:
    """An empty store, on SQLite and on MariaDB."""
    empty(filled_once)
    return filled_once


@pytest.fixture(params=ENGINES)
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table, on SQLite and on MariaDB."""
    if request.param == "sqlite":
        database = open_sqlite(tmp_path / "store.db", 4)
    else:
        database = open_server(request.getfixturevalue("servers").fresh_database())
    yield database
    database.close()
