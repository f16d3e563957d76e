"""What is on its way to be carried out, and who sends it again; on both engines."""

from __future__ import annotations

import pytest

from protocol.clock import now_ms
from store.database import Database
from store.tables import leases, outbox
from store.tables.outbox import FIRST_MS, LAST_MS, OutboxRow
from store.transaction import Transaction
from tests.store.rows import emitted_waiting


def _rows(count: int) -> list[OutboxRow]:
    return [OutboxRow("_system", f"~{number:03}", "notice.append", "s:ann", "{}") for number in range(count)]


class Clock:
    """The clock of the store, which a test may set forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_ms = 0
        real = Transaction.now_ms
        monkeypatch.setattr(Transaction, "now_ms", lambda tx: real(tx) + self.ahead_ms)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def _due(database: Database, at_most: int = 100) -> list[OutboxRow]:
    with database.transaction() as tx:
        return outbox.take_due(tx, at_most)


def test_the_clock_of_the_store_is_in_ms(database: Database) -> None:
    with database.reading() as tx:
        first, second = tx.now_ms(), tx.now_ms()
    assert first <= second and abs(now_ms() - second) < 10_000


def test_a_row_is_due_after_growing_pauses_until_it_is_taken_away(database: Database, clock: Clock) -> None:
    (row,) = _rows(1)
    with database.transaction() as tx:
        outbox.put(tx, [row])
        outbox.put(tx, [row])
    assert _due(database) == []
    pauses = [FIRST_MS, *(min(FIRST_MS << n, LAST_MS) for n in range(1, 9))]
    for pause in pauses:
        clock.ahead_ms += pause - 2_000
        assert _due(database) == []
        clock.ahead_ms += 2_000
        assert _due(database) == [row]
    assert pauses[-2:] == [LAST_MS, LAST_MS]
    with database.transaction() as tx:
        outbox.remove(tx, [(row.sender, row.cid), ("nobody", "~x")])
        assert emitted_waiting(tx) == 0
    clock.ahead_ms += LAST_MS
    assert _due(database) == []


def test_a_backlog_is_sent_again_in_portions(database: Database, clock: Clock) -> None:
    rows = _rows(25)
    with database.transaction() as tx:
        outbox.put(tx, rows)
    clock.ahead_ms += FIRST_MS
    first = _due(database, at_most=10)
    assert len(first) == 10 and _due(database, at_most=10) == []
    with database.transaction() as tx:
        outbox.remove(tx, [(row.sender, row.cid) for row in first[:4]])
    second = _due(database, at_most=10)
    assert len(second) == 4 and not set(second) & set(first)


def test_a_lease_has_one_holder_until_it_ends(database: Database, clock: Clock) -> None:
    def take(holder: str) -> bool:
        with database.transaction() as tx:
            return leases.take(tx, "outbox", holder, 10_000)

    assert [take("one"), take("two"), take("one")] == [True, False, True]
    clock.ahead_ms += 10_000
    assert [take("two"), take("one")] == [True, False]
    with database.transaction() as tx:
        leases.give_up(tx, "outbox", "one")
        leases.give_up(tx, "outbox", "two")
    assert take("one")
