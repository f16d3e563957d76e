"""Sends again what was emitted and is not carried out yet (store/outbox.py); of all processes one does it at a time.

Laws: a row is due again 5, 10, 20 ... 300 s after it was sent, by the clock of the store. Whoever finds something due
takes the lease first; when its holder is gone, another goes on after LEASE_MS.
"""

from __future__ import annotations

import time

import structlog

from protocol.clock import now_ms
from store import attempts, leases, outbox
from store.database import Database
from store.errors import StoreError
from store.outbox import OutboxRow
from store.transaction import Transaction

LEASE = "outbox"
LEASE_MS = 5_000
LOOK_S = 2.0
AT_MOST = 1_000
PRUNE_S = 3600.0
KEEP_ATTEMPTS_MS = 7 * 86_400_000

log = structlog.get_logger()


class OutboxWatch:
    """`holder` names this process. `look` may be called from another thread than `is_due`, one at a time."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder
        self._looked_at = float("-inf")
        self._pruned_at = float("-inf")

    def __repr__(self) -> str:
        return f"OutboxWatch({self._holder})"

    def is_due(self) -> bool:
        """Whether it is time for another look; if so, the next is LOOK_S later."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_S:
            return False
        self._looked_at = now
        return True

    def look(self) -> list[OutboxRow]:
        """What is to be sent again now; nothing while another process has the lease, or the store is away."""
        try:
            if not self._is_needed():
                return []
            with self._database.transaction() as tx:
                if not leases.take(tx, LEASE, self._holder, LEASE_MS):
                    return []
                self._prune(tx)
                rows = outbox.take_due(tx, AT_MOST)
        except StoreError as error:
            log.warning("outbox_not_seen", error=str(error))
            return []
        if rows:
            log.warning("emitted_again", commands=len(rows))
        return rows

    def give_up(self) -> None:
        """This process stops: another need not wait for the lease to end."""
        try:
            with self._database.transaction() as tx:
                leases.give_up(tx, LEASE, self._holder)
        except StoreError:
            return

    def _is_needed(self) -> bool:
        """Whether there is anything to do: an idle system writes nothing."""
        with self._database.reading() as tx:
            return self._is_prune_due() or outbox.is_any_due(tx)

    def _is_prune_due(self) -> bool:
        return time.monotonic() - self._pruned_at >= PRUNE_S

    def _prune(self, tx: Transaction) -> None:
        """Counts of attempts that nobody has made for a week."""
        if self._is_prune_due():
            self._pruned_at = time.monotonic()
            attempts.prune(tx, now_ms() - KEEP_ATTEMPTS_MS)
