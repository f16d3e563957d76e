"""Sends emitted commands again that are not carried out yet (store/tables/outbox.py); one process at a time does it.

Laws: a command is due again 5, 10, 20 ... 300 s after it was sent, by the clock of the store. A process that finds one
due takes the lease before it sends; after a holder that was killed another one goes on when the lease ends.
"""

from __future__ import annotations

import time

import structlog

from store.database import Database
from store.errors import StoreError
from store.tables import leases, outbox
from store.tables.outbox import OutboxRow

LEASE = "outbox"
LEASE_MS = 5_000
LOOK_S = 2.0
AT_MOST = 1_000  # commands on their way again

log = structlog.get_logger()


class OutboxWatch:
    """`holder` names this process. One thread calls `is_due`; one at a time, which may be another, calls the rest."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder
        self._looked_at = float("-inf")

    def __repr__(self) -> str:
        return f"OutboxWatch({self._holder})"

    def is_due(self) -> bool:
        """Whether it is time for another look; if so, the next one is due 2 s later. Never blocks."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_S:
            return False
        self._looked_at = now
        return True

    def look(self) -> list[OutboxRow]:
        """The commands to send again now; none while another process has the lease, or the store is away. Blocks on the
        store; raises nothing of its own."""
        try:
            if not self._is_needed():
                return []
            with self._database.transaction() as tx:
                if not leases.take(tx, LEASE, self._holder, LEASE_MS):
                    return []
                rows = outbox.take_due(tx, AT_MOST)
        except StoreError as error:
            log.warning("outbox_not_seen", error=str(error))
            return []
        if rows:
            log.warning("emitted_again", commands=len(rows))
        return rows

    def give_up(self) -> None:
        """This process stops: give the lease up, so that another need not wait for its end. Raises nothing."""
        try:
            with self._database.transaction() as tx:
                leases.give_up(tx, LEASE, self._holder)
        except StoreError:
            return

    def _is_needed(self) -> bool:
        """Whether there is anything to do. Asked first, so that an idle system writes nothing."""
        with self._database.reading() as tx:
            return outbox.is_any_due(tx)
