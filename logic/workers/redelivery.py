"""Commands that came back: counted in the store, given up at the third time (docs/architecture.md).

RabbitMQ only says that something was delivered before, not how often; a command that kills its worker would go round
for ever. What runs alone is counted before it is run, in a transaction of its own. An ordered worker runs alone only
what it cannot rule out: docs/decisions/0005-redelivery.md.
"""

from __future__ import annotations

from logic.work import Work
from protocol.clock import now_ms
from store import attempts
from store.database import Database

# The first delivery is not counted: the second redelivery is the third time.
MAX_REDELIVERIES = 2


def came_back_before(database: Database, works: list[Work]) -> bool:
    """Note, once, that these came back; True where one of them did before. Raises StoreAway, Contention."""
    fresh = [work for work in works if work.came_back_before is None]
    if fresh:
        with database.transaction() as tx:
            known = attempts.note(tx, [work.envelope.name for work in fresh], now_ms())
        for work in fresh:
            work.came_back_before = work.envelope.name in known
    return any(work.came_back_before for work in works)


def is_given_up(database: Database, work: Work) -> bool:
    """Count this redelivery, once; True when it is one too many. Raises StoreAway, Contention."""
    if work.is_counted:
        return False
    with database.transaction() as tx:
        count = attempts.count(tx, work.envelope.name, now_ms())
    work.is_counted = True
    return count >= MAX_REDELIVERIES


def forget(database: Database, works: list[Work]) -> None:
    """These were carried out in the end. Raises StoreAway, Contention."""
    with database.transaction() as tx:
        attempts.forget(tx, [work.envelope.name for work in works])
