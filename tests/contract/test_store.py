"""What a Database promises, held against SQLite and MariaDB alike: transactions, errors, text as it was given."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store import meta
from store.database import Database
from store.errors import BadValue, Duplicate, StoreAway, StoreError, WrongPartitions
from store.migrate import SCHEMA, migrate
from store.tables import done, messages, sessions, users
from tests.store.engines import blank, database, filled_once
from tests.store.rows import NOW_MS, message, session, timeline, user

__all__ = ["blank", "database", "filled_once"]


def max_seq(database: Database, conversation: str) -> int:
    with database.reading() as tx:
        tail = messages.tails(tx, [conversation]).get(conversation)
    return tail.seq if tail else 0


def append(database: Database, seq: int) -> None:
    with database.transaction() as tx:
        messages.insert(tx, [message("p:a:b", seq)])


def test_what_a_block_wrote_is_there_for_all_when_it_ends(database: Database) -> None:
    with database.transaction() as tx:
        messages.insert(tx, timeline("p:a:b", 3))
        assert messages.tails(tx, ["p:a:b"])["p:a:b"].seq == 3
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(max_seq, [database] * 3, ["p:a:b"] * 3)) == [3, 3, 3]


def test_an_exception_undoes_the_block_and_the_connection_serves_on(database: Database) -> None:
    serial = database.connection_serial
    for _ in range(10):  # more often than there are connections
        with pytest.raises(ZeroDivisionError), database.transaction() as tx:
            messages.insert(tx, timeline("p:a:b", 3))
            raise ZeroDivisionError
    assert max_seq(database, "p:a:b") == 0
    assert database.connection_serial == serial
    assert "in_use=0" in repr(database)


def test_what_is_written_while_reading_is_not_kept(database: Database) -> None:
    try:
        with database.reading() as tx:
            messages.insert(tx, timeline("p:a:b", 1))
    except StoreError:
        pass  # MariaDB refuses at once
    assert max_seq(database, "p:a:b") == 0


def test_nobody_sees_what_is_not_committed(database: Database) -> None:
    with database.transaction() as tx:
        messages.insert(tx, timeline("p:a:b", 1))
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(max_seq, database, "p:a:b").result() == 0
    assert max_seq(database, "p:a:b") == 1


def test_a_reading_sees_one_moment_and_a_transaction_sees_what_is_committed(database: Database) -> None:
    """On one connection by turns, so that neither keeps what the other had set."""
    with ThreadPoolExecutor(1) as thread:
        for number in range(1, 4):
            with database.reading() as tx:
                assert messages.tails(tx, ["p:c:d"]) == {}
                thread.submit(append, database, number).result()
                assert number not in {row.seq for row in messages.after(tx, "p:a:b", 0, 10)}
            with database.transaction() as tx:
                assert messages.tails(tx, ["p:a:b"])["p:a:b"].seq == number


@pytest.mark.parametrize(
    ("second", "constraint"),
    [
        (message("p:a:b", 1, cid="other"), "messages.seq"),
        (message("p:a:b", 2, cid="first"), "messages.cid"),
    ],
)
def test_a_duplicate_names_its_constraint_and_leaves_nothing_of_its_statement(
    database: Database, second: messages.MessageRow, constraint: str
) -> None:
    with database.transaction() as tx:
        messages.insert(tx, [message("p:a:b", 1, cid="first")])
    with database.transaction() as tx:
        with pytest.raises(Duplicate) as raised:
            messages.insert(tx, [message("p:c:d", 1, cid="new"), second])
        assert raised.value.constraint == constraint
        assert messages.tails(tx, ["p:c:d"]) == {}
        messages.insert(tx, [message("p:e:f", 1)])  # the transaction goes on
    assert max_seq(database, "p:c:d") == 0
    assert max_seq(database, "p:e:f") == 1


def test_every_unique_key_has_its_name(database: Database) -> None:
    with database.transaction() as tx:
        users.insert(tx, user("u1", "ann"), NOW_MS)
        sessions.insert(tx, session("s1"))
        messages.insert(tx, [done.row("ann", "c1", "op", b"0" * 16, "{}", NOW_MS)])
    writes = {
        "users.id": lambda tx: users.insert(tx, user("u1", "bob"), NOW_MS),
        "users.username": lambda tx: users.insert(tx, user("u2", "Ann"), NOW_MS),
        "sessions.refresh_hash": lambda tx: sessions.insert(tx, session("s2", refresh_hash="hash-s1")),
        "sessions.id": lambda tx: sessions.insert(tx, session("s1", refresh_hash="other")),
        "messages.cid": lambda tx: messages.insert(tx, [message("p:a:b", 1, "ann")._replace(cid="c1")]),
    }
    for constraint, write in writes.items():
        with pytest.raises(Duplicate) as raised, database.transaction() as tx:
            write(tx)
        assert raised.value.constraint == constraint


@pytest.mark.parametrize(
    "text",
    [
        "emoji 😀 and 中文 and \u00e9 and e\u0301",
        "it's \\ a \"quote\" \\' %s %d %% ? ; -- /* */ #",
        "line\r\nline\ttab\x1a\x08",
        "'); DROP TABLE messages; --",
        "".join(map(chr, range(0x300))),
        'what JSON escapes: \\u0041 \\f \\\\u " \u2028 / \\/ \x7f \f',
        "x" * 200_000,
        "",
    ],
)
def test_text_comes_back_as_it_was_given(database: Database, text: str) -> None:
    with database.transaction() as tx:
        messages.insert(tx, [message("p:a:b", 1, body=text, mentions=text)])
        users.insert(tx, user("u1"), NOW_MS)
        users.update(tx, "u1", bio=text)
    with database.reading() as tx:
        row = messages.after(tx, "p:a:b", 0, 1)[0]
        assert (row.body, row.mentions) == (text, text)
        assert users.get(tx, ["u1"])["u1"].bio == text


def test_digests_of_any_bytes_come_back(database: Database) -> None:
    digests = [bytes([value]) * 16 for value in (0, 0x27, 0x5C, 0x80, 0xFF)]
    rows = [message("p:a:b", seq)._replace(digest=digest) for seq, digest in enumerate(digests, 1)]
    with database.transaction() as tx:
        messages.insert(tx, rows)
    with database.reading() as tx:
        assert messages.after(tx, "p:a:b", 0, 10) == rows


def test_ids_that_differ_in_case_are_two(database: Database) -> None:
    with database.transaction() as tx:
        messages.insert(tx, [message("p:a:b", 1, "ann", "c"), message("p:A:b", 1, "Ann", "c")])
        messages.insert(tx, [message("p:a:b", 2, "ann", "C")])
        users.insert(tx, user("a", "ann"), NOW_MS)
        users.insert(tx, user("A"), NOW_MS)
        users.insert(tx, user("e", "ännchen"), NOW_MS)
        assert set(users.get(tx, ["A"])) == {"A"}
        assert set(messages.by_cids(tx, [("ann", "C")])) == {("ann", "C")}
        for username, ident in (("ann", "a"), ("Ann", "a"), ("ännchen", "e")):
            found = users.by_username(tx, username)
            assert found is not None
            assert found.id == ident
        assert users.by_username(tx, "annchen") is None
        assert users.by_username(tx, "ann ") is None


@pytest.mark.parametrize("changes", [{"body": "\ud800"}, {"body": None}, {"time": 2**70}])
def test_a_value_that_does_not_fit_is_refused_and_the_next_one_is_taken(
    database: Database, changes: dict[str, object]
) -> None:
    with pytest.raises(BadValue), database.transaction() as tx:
        messages.insert(tx, [message("p:a:b", 1, **changes)])
    with database.transaction() as tx:
        messages.insert(tx, [message("p:a:b", 1)])
    assert max_seq(database, "p:a:b") == 1


def test_a_statement_that_is_wrong_is_a_plain_store_error(database: Database) -> None:
    with pytest.raises(StoreError) as raised, database.reading() as tx:
        tx.rows("SELECT nothing FROM nowhere")
    assert type(raised.value) is StoreError


def test_thousands_of_rows_and_keys_at_once(database: Database) -> None:
    rows = [message("g:big", seq, f"u{seq:04}", "c", body="b" * 500) for seq in range(1, 5001)]
    with database.transaction() as tx:
        messages.insert(tx, rows)
    with database.reading() as tx:
        found = messages.by_cids(tx, [(row.sender, "c") for row in rows])
        assert len(found) == 5000
        assert messages.after(tx, "g:big", 0, 10_000) == rows


def test_writers_on_many_threads_lose_nothing(database: Database) -> None:
    def write(number: int) -> None:
        with database.transaction() as tx:
            messages.insert(tx, timeline(f"p:a:{number}", 5))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    with database.reading() as tx:
        tails = messages.tails(tx, [f"p:a:{number}" for number in range(40)])
    assert {tail.seq for tail in tails.values()} == {5}
    assert len(tails) == 40


def test_a_closed_pool_takes_nothing_more(blank: Database) -> None:
    blank.probe()
    with blank.reading() as tx:
        blank.close()
        assert tx.row("SELECT 1") == (1,)
    with pytest.raises(StoreAway):
        blank.probe()


def test_the_first_start_records_epoch_and_partitions_once(blank: Database) -> None:
    meta.initialise(blank, 8)
    with blank.reading() as tx:
        first = meta.epoch(tx)
    assert len(bytes.fromhex(first)) == 8
    meta.initialise(blank, 8)
    with pytest.raises(WrongPartitions, match="partitions = 8"):
        meta.initialise(blank, 16)
    with blank.transaction() as tx:
        assert meta.epoch(tx) == first
        assert meta.renew_epoch(tx) != first


def test_several_first_starts_at_once_agree(blank: Database) -> None:
    ready = threading.Barrier(4)

    def start(_number: int) -> str:
        ready.wait()
        meta.initialise(blank, 8)
        with blank.reading() as tx:
            return meta.epoch(tx)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(start, range(4)))) == 1
    with blank.reading() as tx:
        versions = [version for (version,) in tx.rows("SELECT version FROM schema_version ORDER BY version")]
    assert versions == sorted(int(path.name[:3]) for path in SCHEMA.iterdir())


def test_a_migration_that_was_cut_short_is_completed(blank: Database, tmp_path: Path) -> None:
    first, second = tmp_path / "001_first.sql", tmp_path / "002_second.sql"
    first.write_text("-- a comment; with a semicolon\nCREATE TABLE IF NOT EXISTS one (id {id} NOT NULL) {heap};\n")
    begun = "CREATE INDEX one_id ON one (id);\nALTER TABLE one ADD COLUMN more {int} NULL;\n"
    second.write_text(begun + "CREATE NONSENSE;\n")
    with pytest.raises(StoreError):
        migrate(blank, tmp_path)
    second.write_text(begun + "INSERT INTO one (id, more) VALUES ('x', 1);\n")
    assert migrate(blank, tmp_path) == [2]
    assert migrate(blank, tmp_path) == []
    with blank.reading() as tx:
        assert tx.rows("SELECT id, more FROM one") == [("x", 1)]
