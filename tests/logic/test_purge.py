"""The purge as a pool worker runs it: in pieces, by one process of all, beside everything else."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from logic.workers import purge
from logic.workers.purge import LEASE, PurgeJob
from protocol.clock import now_ms
from store import meta
from store.database import Database, open_sqlite
from store.tables import attempts, done, leases, messages
from store.tables.purges import PURGES
from store.transaction import Transaction
from tests.logic.road import Road, code, private, reply, send

ROWS = int(os.environ.get("PURGE_ROWS", "5000"))  # PURGE_ROWS=100000 pytest -s says what docs/operations.md does
DAY_S = 86_400
OLD_MS = 100 * DAY_S * 1000
# What a transaction takes is some 20 ms; a machine that others use may stop any for longer.
LONGEST_TRANSACTION_S = 1.0
LONGEST_SEND_S = 2.0
KEEP_S = dict.fromkeys(PURGES, 50 * DAY_S)


class Timed:
    """A store that notes how long each writing transaction was open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reading = database.reading
        self.seconds: list[float] = []

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        began = time.monotonic()
        with self._database.transaction() as tx:
            yield tx
        self.seconds.append(time.monotonic() - began)


def job(database: Any, holder: str = "p1.x", **more: Any) -> PurgeJob:
    return PurgeJob(database, holder, KEEP_S, DAY_S, **more)


def put_answers(database: Database, count: int) -> None:
    """So many old rows of writes that left no message."""
    old = now_ms() - OLD_MS
    rows = (done.row("ann", f"old{number}", "user.update", b"d" * 16, "{}", old + number) for number in range(count))
    while some := list(itertools.islice(rows, 1000)):
        with database.transaction() as tx:
            messages.insert(tx, some)


def put_attempts(database: Database, count: int) -> None:
    with database.transaction() as tx:
        attempts.note(tx, [f"old{number}" for number in range(count)], now_ms() - OLD_MS)


@pytest.mark.timeout(60 + ROWS // 500)
def test_a_purge_holds_no_transaction_for_long_while_sends_go_on(road: Road) -> None:
    road.people("ann", "bob")
    put_answers(road.database, ROWS)
    timed, waits, ended = Timed(road.database), [], threading.Event()

    def send() -> None:
        while not ended.is_set():
            began = time.monotonic()
            road.write("ann", private("ann", "bob"), 1)
            waits.append(time.monotonic() - began)

    sending = threading.Thread(target=send)
    sending.start()
    deleted = job(timed).purge()
    ended.set()
    sending.join()
    assert deleted is not None
    assert deleted["answers"] >= ROWS
    print(f"{ROWS} rows: {len(timed.seconds)} transactions, the longest {max(timed.seconds):.3f} s;", end=" ")
    print(f"{len(waits)} sends meanwhile, the longest {max(waits):.3f} s")
    assert max(timed.seconds) < LONGEST_TRANSACTION_S
    assert max(waits) < LONGEST_SEND_S
    assert len(timed.seconds) >= ROWS / purge.PIECE_ROWS
    assert len(waits) > len(timed.seconds) / 10


def test_one_process_at_a_time_purges_once_in_a_period(database: Database) -> None:
    put_attempts(database, 1)
    first, second = job(database, "p1.x"), job(database, "p2.y")
    assert (first.purge() or {})["attempts"] == 1
    put_attempts(database, 1)
    assert second.purge() is None  # the period has not ended, whoever asks
    assert job(database, "p1.z").purge() is None
    with database.transaction() as tx:
        tx.execute("UPDATE leases SET ends = 0 WHERE name = %s", (LEASE,))
    assert (second.purge() or {})["attempts"] == 1


def test_who_loses_the_lease_leaves_the_work_to_the_other(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    put_attempts(database, purge.PIECE_ROWS + 1)
    taken = PURGES["attempts"]

    def slow(tx: Transaction, *how: Any) -> Any:
        """After the first piece this process stands still for longer than its lease."""
        piece = taken(tx, *how)
        tx.execute("UPDATE leases SET holder = %s WHERE name = %s", ("p2.y", LEASE))
        return piece

    monkeypatch.setitem(PURGES, "attempts", slow)  # type: ignore[arg-type]
    assert job(database, "p1.x").purge() is None
    with database.reading() as tx:
        assert tx.rows("SELECT COUNT(*) FROM attempts") == [(1,)]
        assert leases.is_held(tx, LEASE)


def test_a_process_that_stops_leaves_the_rest_to_another_at_once(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "store.db", 4)
    meta.initialise(database, 8)
    put_answers(database, 20 * purge.PIECE_ROWS)
    stopping = job(database, "p1.x", look_s=0.01)
    stopping.start()
    until = time.monotonic() + 20
    while count_answers(database) == 20 * purge.PIECE_ROWS:
        assert time.monotonic() < until
        time.sleep(0.01)
    stopping.close()
    left = count_answers(database)
    assert left > 0
    assert (job(database, "p2.y").purge() or {})["answers"] == left
    database.close()


def count_answers(database: Database) -> int:
    with database.reading() as tx:
        (row,) = tx.rows("SELECT COUNT(*) FROM messages WHERE conversation = %s", (done.CONVERSATION,))
    return int(row[0])


def test_who_left_long_ago_learns_that_a_group_is_gone_and_may_come_back(road: Road) -> None:
    group = road.group("ann", "bob")
    conversation = f"g:{group}"
    road.write("ann", conversation, 3)
    reply(road.do("group.leave", "bob", group=group))
    synced = reply(road.call("sync", "bob", cursors={conversation: 2}))
    assert ([message["seq"] for message in synced["messages"]], synced["gone"]) == ([3, 4, 5], [conversation])
    with road.database.transaction() as tx:
        tx.execute("UPDATE messages SET time = %s WHERE conversation = %s", (now_ms() - OLD_MS, conversation))
    assert (job(road.database).purge() or {})["left_groups"] == 2
    synced = reply(road.call("sync", "bob", cursors={conversation: 2}))
    assert (synced["messages"], synced["conversations"], synced["gone"]) == ([], [], [conversation])
    assert code(road.call("message.history", "bob", conversation=conversation)) == "not_found"
    assert code(road.run(send("bob", conversation))[0]) == "not_found"
    assert job(road.database).purge() is None
    reply(road.do("group.invite", "ann", group=group, users=["bob"]))
    synced = reply(road.call("sync", "bob", cursors={conversation: 2}))
    assert (synced["conversations"][0]["from"], synced["gone"]) == (6, [])
    assert reply(road.run(send("bob", conversation))[0])["seq"] == 7
    members = reply(road.call("group.members", "bob", group=group))["members"]
    assert [(one["user"], one["joined_seq"]) for one in members] == [("ann", 1), ("bob", 6)]
