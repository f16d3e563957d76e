"""Deletes the rows whose time is over (store/tables/purges.py), all kinds of them, once in a period; one process at a
time does it, in a thread of its own.

Laws: a transaction deletes one piece, at most 200 rows, and a pause of at least four times its length follows: whatever
the store is used for goes on. The lease is held for a minute while pieces are worked off, and after the last of them
until the next period begins. So a process that is killed leaves its work to another one within a minute, and a restart
begins no new period.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import structlog

from logic.metrics import PURGE_SECONDS, PURGED
from process.supervision import keep_thread_running
from store.database import Database
from store.errors import Contention, StoreError
from store.tables import leases
from store.tables.purges import PURGES, START, Piece, Place

LEASE = "purge"
LEASE_MS = 60_000
LOOK_S = 60.0
PIECE_ROWS = 200
PAUSE_S = 0.05
PAUSE_RATIO = 4  # pauses are at least so many times as long as transactions
STOP_S = 2.0

log = structlog.get_logger()


class _LeaseLost(Exception):
    """Another process goes on with the work."""


class PurgeJob:
    """`keep_s` {name in PURGES: for how many seconds such rows are kept}; one that is not in it has rows that say by
    themselves when they end. `every_s` is the period. `holder` names this process. Whether it is time is looked at each
    `look_s` seconds."""

    def __init__(
        self, database: Database, holder: str, keep_s: Mapping[str, int], every_s: int, look_s: float = LOOK_S
    ) -> None:
        self._database = database
        self._holder = holder
        self._keep_s = keep_s
        self._every_s = every_s
        self._look_s = look_s
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"PurgeJob({self._holder}, every {self._every_s} s)"

    def start(self) -> None:
        """Begin to look; nothing happens where it does already."""
        if self._thread is None:
            self._thread = keep_thread_running("purge", self._run, self._closed)

    def close(self) -> None:
        """Stop after the piece under way; waits up to 2 s for it."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def purge(self) -> dict[str, int] | None:
        """Delete all that is due, if this is the process and the time to do it; blocks for as long as that takes.
        Returns how many rows went, by kind; None where it was not to be done or not finished. Raises StoreError."""
        with self._database.reading() as tx:
            if leases.is_held(tx, LEASE):
                return None
        try:
            deleted = {name: self._kind(name) for name in PURGES}
        except _LeaseLost:
            return None
        finished = not self._closed.is_set()
        with self._database.transaction() as tx:
            if finished:
                leases.take(tx, LEASE, self._holder, self._every_s * 1000)
            else:
                leases.give_up(tx, LEASE, self._holder)
        log.info("purged", finished=finished, **deleted)
        return deleted if finished else None

    def _run(self) -> None:
        while not self._closed.wait(self._look_s):
            try:
                self.purge()
            except StoreError as error:
                log.warning("purge_put_off", error=str(error))

    def _kind(self, name: str) -> int:
        """Work off all pieces of one kind; how many rows went. Raises _LeaseLost, StoreError."""
        deleted, place, pause = 0, START, PAUSE_S
        while not self._closed.wait(pause):
            began = time.monotonic()
            try:
                piece = self._piece(name, place)
            except Contention:  # others were at these rows: the same again, later
                piece = Piece(0, place)
            took = time.monotonic() - began
            PURGE_SECONDS.observe(took)
            PURGED.labels(name).inc(piece.deleted)
            deleted += piece.deleted
            if piece.next is None:
                break
            place, pause = piece.next, max(PAUSE_S, PAUSE_RATIO * took)
        return deleted

    def _piece(self, name: str, place: Place) -> Piece:
        with self._database.transaction() as tx:
            if not leases.take(tx, LEASE, self._holder, LEASE_MS):
                raise _LeaseLost
            before_ms = tx.now_ms() - self._keep_s.get(name, 0) * 1000
            return PURGES[name](tx, place, PIECE_ROWS, before_ms)
