"""Commands that came back: counted in the store, given up at the third delivery (docs/decisions/0005-redelivery.md).

RabbitMQ only tells that a command was delivered before, not how often, so a command that kills its workers would go
round for ever. A redelivered command that runs by itself is counted before it runs, in a transaction of its own. A pool
worker runs each redelivered command by itself; an ordered worker does so when commands come back for a second time.
"""

from __future__ import annotations

from logic.work import Work
from protocol.clock import now_ms
from store.database import Database
from store.tables import attempts

# The first delivery is not counted: the second redelivery is the third delivery.
MAX_REDELIVERIES = 2


def came_back_before(database: Database, works: list[Work]) -> bool:
    """Note in the store, once for each, that `works` came back; returns whether one of them had come back before.
    Raises StoreAway, Contention."""
    fresh = [work for work in works if work.came_back_before is None]
    if fresh:
        with database.transaction() as tx:
            known = attempts.note(tx, [work.envelope.name for work in fresh], now_ms())
        for work in fresh:
            work.came_back_before = work.envelope.name in known
    return any(work.came_back_before for work in works)


def is_given_up(database: Database, work: Work) -> bool:
    """Count this redelivery in the store, once; returns whether it is one too many. Raises StoreAway, Contention."""
    if work.is_counted:
        return False
    with database.transaction() as tx:
        count = attempts.count(tx, work.envelope.name, now_ms())
    work.is_counted = True
    return count >= MAX_REDELIVERIES


def forget(database: Database, works: list[Work]) -> None:
    """Delete the counts of `works`, which were carried out, refused or given up. Raises StoreAway, Contention."""
    with database.transaction() as tx:
        attempts.forget(tx, [work.envelope.name for work in works])
