"""Lanes: threads for one kind of work each, so that slow work of one kind delays no other.

Law: nobody waits to put work into a lane; one with a bounded line refuses work where too much waits already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

log = structlog.get_logger()


@dataclass(frozen=True)
class LaneSize:
    """How many `threads` a lane has, and how many calls may wait for one of them (None: any number)."""

    threads: int
    waiting: int | None = None


class Lane:
    """Threads that carry out one kind of work. Any thread may submit to it."""

    def __init__(self, name: str, size: LaneSize) -> None:
        self._threads = ThreadPoolExecutor(size.threads, thread_name_prefix=name)
        self._room = None if size.waiting is None else threading.BoundedSemaphore(size.threads + size.waiting)

    def submit(self, call: Callable[[], None]) -> bool:
        """Have `call` carried out; False where too many wait. Never blocks."""
        if self._room is not None and not self._room.acquire(blocking=False):
            return False
        self._threads.submit(self._run, call)
        return True

    def close(self) -> None:
        """Return when all that was submitted is carried out; blocks until then."""
        self._threads.shutdown()

    def _run(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            # the executor would keep it in a future that nobody asks
            log.exception("lane_call_failed")
        finally:
            if self._room is not None:
                self._room.release()
