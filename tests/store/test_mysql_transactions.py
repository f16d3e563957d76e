"""MariaDB: what ends in the middle of a transaction leaves nothing of it, whatever DBUtils and PyMySQL would do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pymysql
import pytest
from dbutils.pooled_db import PooledDB

from conf.sections import StoreSettings
from store import meta
from store.database import Database
from store.errors import CommitUnknown, Contention, StoreAway, StoreError
from store.transaction import Transaction
from tests.private_servers import PrivateServers
from tests.store.commit_cutter import CommitCutter
from tests.store.engines import open_server

POLL_S = 0.01
COUNT = "UPDATE attempts SET count = count + 1 WHERE name = %s"


@pytest.fixture(scope="module")
def settings(servers: PrivateServers) -> StoreSettings:
    return servers.fresh_database()


@pytest.fixture
def store(settings: StoreSettings) -> Iterator[Database]:
    """Two counters, a and b, at 0."""
    database = open_server(settings)
    meta.initialise(database, 8)
    with database.transaction() as tx:
        tx.execute("DELETE FROM attempts")
        tx.insert("attempts", ("name", "count", "time"), [("a", 0, 0), ("b", 0, 0)])
    yield database
    database.close()


def counts(database: Database) -> dict[str, int]:
    with database.reading() as tx:
        return dict(tx.rows("SELECT name, count FROM attempts"))  # type: ignore[arg-type]


def connection_of(tx: Transaction) -> int:
    row = tx.row("SELECT CONNECTION_ID()")
    assert row is not None
    return int(row[0])


def processes(tx: Transaction) -> dict[int, str]:
    """What each connection of this user runs now."""
    return {int(row[0]): str(row[7]) for row in tx.rows("SHOW PROCESSLIST")}


def kill(database: Database, connection: int) -> None:
    """End a connection from another one; returns when the server has let go of it."""
    with database.reading() as tx:
        tx.execute("KILL %s", (connection,))
        while connection in processes(tx):
            time.sleep(POLL_S)


def is_mariadb(store: Database) -> bool:
    with store.reading() as tx:
        row = tx.row("SELECT VERSION()")
    return row is not None and "MariaDB" in str(row[0])


def naive_pool(settings: StoreSettings) -> PooledDB:
    """DBUtils as its manual shows it."""
    return PooledDB(
        pymysql,
        2,
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password,
        database=settings.database,
    )


def test_a_naive_pool_commits_half_a_transaction(store: Database, settings: StoreSettings) -> None:
    """The first trap, shown on the real server: why Database does not let DBUtils retry."""
    pool = naive_pool(settings)
    connection = pool.connection()
    cursor = connection.cursor()
    cursor.execute("SELECT CONNECTION_ID()")
    (ident,) = cursor.fetchone()
    cursor.execute(COUNT, ("a",))
    kill(store, ident)
    cursor.execute(COUNT, ("b",))  # no error
    connection.commit()  # none either
    assert counts(store) == {"a": 0, "b": 1}
    connection.close()
    pool.close()


def test_a_naive_block_commits_nothing(store: Database, settings: StoreSettings) -> None:
    """The second trap: leaving the block of a pooled connection rolls back."""
    pool = naive_pool(settings)
    with pool.connection() as connection:
        connection.cursor().execute(COUNT, ("a",))
    pool.close()
    assert counts(store) == {"a": 0, "b": 0}


def test_a_connection_lost_between_two_statements_stores_neither(store: Database) -> None:
    with pytest.raises(StoreAway), store.transaction() as tx:
        tx.execute(COUNT, ("a",))
        kill(store, connection_of(tx))
        tx.execute(COUNT, ("b",))
    assert counts(store) == {"a": 0, "b": 0}


def test_whoever_goes_on_after_a_lost_connection_stores_nothing(store: Database) -> None:
    with pytest.raises(StoreAway), store.transaction() as tx:
        tx.execute(COUNT, ("a",))
        kill(store, connection_of(tx))
        for _ in range(3):
            with pytest.raises(StoreAway):
                tx.execute(COUNT, ("b",))
    assert counts(store) == {"a": 0, "b": 0}


def test_a_connection_that_died_in_the_pool_is_replaced_unnoticed(store: Database, settings: StoreSettings) -> None:
    with store.reading() as tx:
        ident, serial = connection_of(tx), tx.connection_serial
    killer = open_server(settings)
    kill(killer, ident)
    killer.close()
    with store.transaction() as tx:
        assert connection_of(tx) != ident
        assert tx.connection_serial > serial
        tx.execute(COUNT, ("a",))
    assert counts(store)["a"] == 1


def deadlock(store: Database) -> list[StoreError | None]:
    """Two transactions that take a and b in opposite order; what became of each."""
    both = threading.Barrier(2)

    def run(first: str, second: str) -> StoreError | None:
        try:
            with store.transaction() as tx:
                tx.execute(COUNT, (first,))
                both.wait()
                tx.execute(COUNT, (second,))
        except StoreError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(run, ("a", "b"), ("b", "a")))


def test_of_a_deadlock_one_wins_whole_and_one_stores_nothing(store: Database) -> None:
    outcomes = deadlock(store)
    assert sorted(type(outcome) for outcome in outcomes if outcome) == [Contention]
    assert counts(store) == {"a": 1, "b": 1}


@pytest.mark.slow
def test_a_lock_wait_ends_soon_and_undoes_the_whole_transaction(store: Database) -> None:
    with store.transaction() as holder:
        holder.execute(COUNT, ("b",))
        with pytest.raises(Contention), store.transaction() as tx:
            tx.execute(COUNT, ("a",))
            with pytest.raises(Contention):
                tx.execute(COUNT, ("b",))  # InnoDB undoes this statement only; going on would keep `a`
    assert counts(store) == {"a": 0, "b": 1}


@pytest.mark.slow
def test_an_idle_transaction_loses_its_locks_and_stores_nothing(store: Database) -> None:
    """A stopped worker: after 3 s the server ends its transaction, and others go on."""
    with pytest.raises(StoreAway), store.transaction() as tx:
        tx.execute(COUNT, ("a",))
        ident = connection_of(tx)
        with store.reading() as watching:
            while ident in processes(watching):
                time.sleep(POLL_S)
        with store.transaction() as other:
            other.execute(COUNT, ("a",))
        tx.execute(COUNT, ("b",))
    assert counts(store) == {"a": 1, "b": 0}


def test_a_connection_that_wrote_may_lie_in_the_pool_for_long_again(store: Database) -> None:
    with store.transaction() as tx:
        ident = connection_of(tx)
        tx.execute(COUNT, ("a",))
    with store.reading() as tx:
        assert connection_of(tx) == ident
        assert tx.row("SELECT @@session.wait_timeout = @@global.wait_timeout") == (1,)


def test_the_end_of_a_transaction_raises_nothing_though_its_connection_is_gone(
    store: Database, settings: StoreSettings
) -> None:
    """As MySQL does it, on MariaDB too: the bound of the transaction is taken back by a statement of its own."""
    other = open_server(settings)
    raw = other.engine.open()
    raw.ends_idle_transactions = False
    other.engine.begin(raw, write=True)
    raw.commit()
    kill(store, raw.thread_id())
    other.engine.end(raw)
    other.engine.end(raw)


@pytest.mark.parametrize(("cut", "stored"), [("before", 0), ("after", 1)])
def test_a_connection_lost_at_commit_is_unknown(
    store: Database, settings: StoreSettings, cut: str, stored: int
) -> None:
    with CommitCutter(settings.host, settings.port) as cutter:
        through = open_server(settings, cutter.port)
        through.probe()
        serial = through.connection_serial
        cutter.cut = cut
        with pytest.raises(CommitUnknown), through.transaction() as tx:
            tx.execute(COUNT, ("a",))
        while counts(store)["a"] != stored:
            time.sleep(POLL_S)  # the server may hear of the end of the connection a little later
        with through.transaction() as tx:
            assert tx.connection_serial > serial
            tx.execute(COUNT, ("b",))
        through.close()
    assert counts(store) == {"a": stored, "b": 1}


def test_an_interrupted_statement_takes_its_connection_with_it(store: Database) -> None:
    with pytest.raises(KeyboardInterrupt), store.transaction() as tx:
        ident = connection_of(tx)
        raise KeyboardInterrupt
    with store.reading() as tx:
        assert connection_of(tx) != ident


def test_the_session_is_strict_and_its_waits_are_bounded(store: Database) -> None:
    bound = "idle_transaction_timeout" if is_mariadb(store) else "wait_timeout"
    for begin, level in ((store.reading, "REPEATABLE-READ"), (store.transaction, "READ-COMMITTED")):
        with begin() as tx:
            variables = dict(tx.rows("SHOW SESSION VARIABLES"))  # type: ignore[arg-type]
            isolation = variables.get("transaction_isolation") or variables["tx_isolation"]
            assert (isolation, variables["autocommit"]) == (level, "OFF")
            assert variables["innodb_lock_wait_timeout"] == "2"
            assert variables["character_set_connection"] == "utf8mb4"
            assert level == "REPEATABLE-READ" or variables[bound] == "3"
            assert "STRICT_TRANS_TABLES" in variables["sql_mode"]
            assert "NO_BACKSLASH_ESCAPES" not in variables["sql_mode"]


def test_the_password_is_in_no_repr_and_no_error(settings: StoreSettings) -> None:
    wrong = StoreSettings(settings.kind, settings.host, settings.port, settings.user, "hunter2", settings.database)
    database = open_server(wrong)
    with pytest.raises(StoreAway) as raised:
        database.probe()
    assert "hunter2" not in f"{database!r} {raised.value!r} {raised.value.__cause__!r}"


def test_a_lock_excludes_other_processes_until_its_commit(store: Database, settings: StoreSettings) -> None:
    other = open_server(settings)
    entered: list[str] = []

    def enter() -> None:
        with other.exclusive("test"):
            entered.append("second")

    with ThreadPoolExecutor(1) as thread:
        with store.exclusive("test") as tx:
            waiting = thread.submit(enter)
            while not any("GET_LOCK" in statement for statement in processes(tx).values()):
                time.sleep(POLL_S)
            entered.append("first")
        waiting.result(10)
    assert entered == ["first", "second"]
    other.close()


def test_something_else_is_done_between_an_insert_and_its_answer(store: Database) -> None:
    """Pins how PyMySQL sends and reads (store/engines/mysql_connection.py): the server has the INSERT already, which
    waits for another's row, and what is done meanwhile ends that waiting."""
    is_sent = threading.Event()

    def look() -> None:
        with store.reading() as other:
            while not any(sql.startswith("INSERT") for sql in processes(other).values()):
                time.sleep(POLL_S)
        is_sent.set()

    def write() -> None:
        with store.transaction(look) as tx:
            assert tx.row("SELECT 1") == (1,)
            assert not is_sent.is_set()
            tx.insert("attempts", ("name", "count", "time"), [("c", 3, 0)])

    with ThreadPoolExecutor(1) as thread:
        with pytest.raises(ZeroDivisionError), store.transaction() as holder:
            holder.insert("attempts", ("name", "count", "time"), [("c", 1, 0)])
            writing = thread.submit(write)
            assert is_sent.wait(10)
            raise ZeroDivisionError
        writing.result()
    assert counts(store) == {"a": 0, "b": 0, "c": 3}
