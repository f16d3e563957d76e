"""Whether the store answers, found out also by a worker without commands; /readyz tells it (protocol.md section 3).

Laws: what commands find counts first, so the store is probed only while they do not use it, every 2 s at most. A thread
of its own probes: a store that hangs keeps no worker from its broker and its beacons.
"""

from __future__ import annotations

import threading
import time

import structlog

from process.supervision import keep_thread_running
from store.database import Database
from store.errors import Contention, StoreError

PROBE_S = 2.0

log = structlog.get_logger()


class StoreWatch:
    """Any thread may call everything here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._worked_at = float("-inf")
        self._is_away = False

    def __repr__(self) -> str:
        return f"StoreWatch({self._database!r}, {'away' if self.is_away else 'there'})"

    @property
    def is_away(self) -> bool:
        """Whether the last command or the last probe found the store away, or unable to write."""
        return self._is_away or self._database.cannot_write

    def start(self) -> None:
        """Begin to watch; nothing happens where it does already."""
        if self._thread is None:
            self._thread = keep_thread_running("store-watch", self._watch, self._closed)

    def close(self) -> None:
        """Stop to watch. Waits up to 2 s for a probe under way; one that hangs ends by the store's own timeout."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(PROBE_S)

    def worked(self) -> None:
        """A command used the store with success: no probe is needed for 2 s."""
        self._worked_at = time.monotonic()
        self._is_away = False

    def failed(self) -> None:
        """A command found the store away."""
        self._is_away = True

    def _watch(self) -> None:
        while not self._closed.wait(PROBE_S):
            if self.is_away or time.monotonic() - self._worked_at >= PROBE_S:
                self._probe()

    def _probe(self) -> None:
        was_away = self.is_away
        try:
            self._database.probe()
            self._is_away = False
        except Contention:  # it answers, and is busy
            self._is_away = False
        except StoreError as error:
            self._is_away = True
            if not was_away:
                log.warning("store_away_while_idle", error=str(error))
        if was_away and not self.is_away:
            log.info("store_back_while_idle")
