"""Serving over as many broker connections as it takes: what an ordered worker and one of a pool have in common.

Law: whatever ends a connection, what was taken over it is forgotten before there is another: it goes to others, or
comes back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from bus.interface import BusLost, WorkerBus

RESTART_S = 1.0  # after a fault of ours

log = structlog.get_logger()


class Serving:
    """`serve` is called with each new connection and returns when `stopping` is set; `forget` when one has ended before
    that. For one thread, but `is_connected` may be asked by any."""

    def __init__(
        self, bus: WorkerBus, stopping: threading.Event, serve: Callable[[], None], forget: Callable[[], None]
    ) -> None:
        self._bus = bus
        self._stopping = stopping
        self._serve = serve
        self._forget = forget
        self.is_connected = False

    def run(self) -> None:
        """Until `stopping` is set. May be called again when it has died of anything."""
        self._begin_anew()
        while not self._stopping.is_set():
            try:
                self._bus.connect()
                self.is_connected = True
                self._serve()
            except BusLost as lost:
                log.warning("bus_lost", reason=str(lost))
                self._begin_anew()
            except Exception as error:  # whatever it is, others must be served
                log.error("worker_failed", exc_info=error)
                self._begin_anew()
                self._stopping.wait(RESTART_S)

    def _begin_anew(self) -> None:
        self.is_connected = False
        self._forget()
