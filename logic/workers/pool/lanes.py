"""Lanes: threads for one kind of work each, so that slow work of one kind delays no other.

Laws: nobody waits to put work into a lane; a bounded one refuses work where too much waits already. Whoever asks for
much in a lane delays the others no more than if it asked for as little as they (fair_line.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from logic.workers.pool.fair_line import NOBODYS, FairLine, Share
from process.supervision import note_failure

Call = Callable[[], None]


@dataclass(frozen=True)
class LaneSize:
    """How many `threads` a lane has, and how many calls may wait for one of them (None: any number)."""

    threads: int
    waiting: int | None = None


class _Waiting(NamedTuple):
    call: Call
    refuse: Call


class Lane:
    """Threads that carry out one kind of work. Any thread may submit to it."""

    def __init__(self, name: str, size: LaneSize) -> None:
        self._name = name
        self._threads = ThreadPoolExecutor(size.threads, thread_name_prefix=name)
        self._most = None if size.waiting is None else size.threads + size.waiting
        self._lock = threading.Lock()
        self._line: FairLine[_Waiting] = FairLine()
        self._unfinished = 0

    def submit(self, call: Call, refuse: Call = lambda: None, share: Share = NOBODYS) -> None:
        """Have `call` carried out when the turn of `share` comes. Where too many wait one of them is not carried out,
        this one or another: its `refuse` is called at once. Never blocks."""
        with self._lock:
            self._line.put(_Waiting(call, refuse), share)
            is_full = self._unfinished == self._most
            if is_full:
                displaced = self._line.displace(share)
            else:
                self._unfinished += 1
        if is_full:
            displaced.refuse()
        else:
            self._threads.submit(self._run)

    def close(self) -> None:
        """Return when all that was submitted is carried out; blocks until then."""
        self._threads.shutdown()

    def _run(self) -> None:
        """Carry out the call whose turn it is: there is one for each run."""
        with self._lock:
            call = self._line.take().call
        try:
            call()
        except BaseException as error:  # the executor would keep it in a future that nobody asks
            note_failure(f"lane-{self._name}", error)
        finally:
            with self._lock:
                self._unfinished -= 1
