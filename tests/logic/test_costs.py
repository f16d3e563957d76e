"""What a page of conversation.list and a sync cost a user to whom very many have written: as much as one with a few.

Counted is what the store reads: rows and index entries of MariaDB, steps of SQLite's virtual machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from logic.handlers.table import HANDLERS
from protocol import ids
from store.database import Database
from store.tables import cursors, groups, messages
from store.tables.cursors import HOUR_MS
from store.transaction import Transaction
from tests.logic.road import Road, reply, work
from tests.store.rows import member, message

FEW, MANY = 500, 50_000
NOW_MS = 490_000 * HOUR_MS + 1_800_000
LEFT = 3_000
# {user: (its conversations, how many of them were active in each hour)}
PEOPLE = {
    "few.at.once": (FEW, FEW),
    "many.at.once": (MANY, MANY),
    "few.by.day": (FEW, 10),
    "many.by.day": (MANY, 150),
    "few.long.ago": (FEW, 1),
    "many.long.ago": (MANY, 1),
}


def _fill(database: Database, user: str, count: int, an_hour: int) -> None:
    """Conversations of one message each, which the user has read: one a day old at least, and of some hours."""
    rows, marks = [], []
    for number in range(count):
        conversation = ids.private_conversation(user, f"z{number:05}")
        time = NOW_MS - (24 + number // an_hour) * HOUR_MS + number % 1000
        rows.append(message(conversation, 1, user, time=time))
        marks.append((user, conversation, 1, time))
    for start in range(0, count, 5000):
        with database.transaction() as tx:
            messages.insert(tx, rows[start : start + 5000])
            cursors.mark(tx, marks[start : start + 5000])


@pytest.fixture(scope="module")
def grown(filled_once: Database) -> Database:
    for user, (count, an_hour) in PEOPLE.items():
        _fill(filled_once, user, count, an_hour)
    with filled_once.transaction() as tx:
        left = [member(f"left{number}", "many.by.day", 1, 2) for number in range(LEFT)]
        groups.put_members(tx, left)
        cursors.read_up_to(tx, [("many.by.day", f"g:{row.group}", 1) for row in left])
    if "mysql" in repr(filled_once):
        with filled_once.transaction() as tx:
            tx.rows("ANALYZE TABLE messages, cursors, members")
    return filled_once


class Counting:
    """A database whose transactions count what they read."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.count = 0

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        with self.database.reading() as tx:
            connection = tx._cursor.connection
            if hasattr(connection, "set_progress_handler"):
                connection.set_progress_handler(self._step, 1)
                try:
                    yield tx
                finally:
                    connection.set_progress_handler(None, 1)
            else:
                before = self._reads(tx)
                of_asking = self._reads(tx) - before
                yield tx
                self.count += self._reads(tx) - before - 2 * of_asking

    def _step(self) -> int:
        self.count += 1
        return 0

    def _reads(self, tx: Transaction) -> int:
        return sum(int(value) for _, value in tx.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'"))


def asked(database: Database, op: str, user: str, **data: Any) -> tuple[int, dict[str, Any]]:
    """(what was read, the reply)."""
    counting = Counting(database)
    road = Road(database)
    services = dataclasses.replace(road.services, database=counting, now_ms=lambda: NOW_MS)  # type: ignore[arg-type]
    (outcome,) = HANDLERS[op].run([work(op, user, data)], services)
    assert counting.count > 0
    return counting.count, reply(outcome)


@pytest.mark.parametrize("spread", ["at.once", "by.day", "long.ago"])
def test_a_page_of_50000_conversations_costs_no_more_than_twice_that_of_500(grown: Database, spread: str) -> None:
    few, of_few = asked(grown, "conversation.list", f"few.{spread}")
    many, of_many = asked(grown, "conversation.list", f"many.{spread}")
    assert len(of_few["conversations"]) == len(of_many["conversations"]) == 50
    assert many <= 2 * few
    few_next, _ = asked(grown, "conversation.list", f"few.{spread}", after=of_few["next"])
    many_next, of_many = asked(grown, "conversation.list", f"many.{spread}", after=of_many["next"])
    assert len(of_many["conversations"]) == 50
    assert many_next <= 2 * few_next


@pytest.mark.parametrize("spread", ["at.once", "by.day", "long.ago"])
def test_an_up_to_date_sync_of_50000_conversations_costs_no_more_than_twice_that_of_500(
    grown: Database, spread: str
) -> None:
    costs = []
    for user in (f"few.{spread}", f"many.{spread}"):
        names = {ids.private_conversation(user, f"z{number:05}"): 1 for number in range(50)}
        cost, synced = asked(grown, "sync", user, cursors=names, since=NOW_MS - 600_000)
        assert synced["conversations"] == synced["messages"] == synced["gone"] == []
        assert synced["time"] == NOW_MS and "next" not in synced
        costs.append(cost)
    assert costs[1] <= 2 * costs[0]


@pytest.mark.parametrize("spread", ["at.once", "by.day", "long.ago"])
def test_a_client_that_does_not_say_since_when_gets_on_by_pages_of_bounded_cost(grown: Database, spread: str) -> None:
    few, synced = asked(grown, "sync", f"few.{spread}", cursors={})
    assert synced["conversations"] == [] and "next" not in synced
    many, synced = asked(grown, "sync", f"many.{spread}", cursors={})
    assert many <= 2 * few
    again, after = asked(grown, "sync", f"many.{spread}", cursors={}, after=synced["next"])
    assert again <= 2 * few and after["next"] != synced["next"]


def test_groups_that_a_user_left_cost_nothing(grown: Database) -> None:
    with grown.reading() as tx:
        assert groups.groups_of(tx, ["many.by.day"]) == {"many.by.day": {}}
    stayed, _ = asked(grown, "group.list", "few.by.day")
    left, _ = asked(grown, "group.list", "many.by.day")
    assert left <= 2 * stayed + 5
