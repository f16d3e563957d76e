"""Frames that wait to be written: collected for each connection, written at most 5 ms a turn of the loop.

Laws: the frames of a connection leave in the order in which they were put. A connection whose turn has not come yet is
written once, however many frames were put meanwhile: the busier the gateway, the fewer its writes. A function given to
`when_written` is called when every frame that was put before is written.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from gateway.clients.backlogs import Backlogs
from gateway.clients.connection import Connection
from gateway.metrics import FRAMES_OUT

TURN_S = 0.005
STEP = 32  # connections between two looks at the clock: some 0.5 ms


class Outgoing:
    """A connection is behind whose peer has left more than `max_queued_bytes` untaken; the last transient frame does
    not count. What becomes of it, and for how long it may take nothing (`slow_s`): see backlogs.py."""

    def __init__(self, max_queued_bytes: int, slow_s: float) -> None:
        self._max_queued_bytes = max_queued_bytes
        self._backlogs = Backlogs(max_queued_bytes, slow_s)
        self._waiting: deque[Connection] = deque()
        self._is_woken = False
        self._added = self._taken = 0
        self._watchers: deque[tuple[int, Callable[[], None]]] = deque()

    def __repr__(self) -> str:
        return f"Outgoing({len(self._waiting)} connections wait, {len(self._watchers)} watchers, {self._backlogs})"

    def put(self, connection: Connection, framed: bytes) -> None:
        """Collect a frame; it is written when its connection's turn comes, at the earliest in the loop's next turn."""
        if not connection.outbox:
            self._waiting.append(connection)
            self._added += 1
            if not self._is_woken:
                self._wake()
        connection.outbox.append(framed)

    def when_written(self, call: Callable[[], None]) -> None:
        """Call back once all that was put so far is written: at once where nothing waits."""
        if self._waiting:
            self._watchers.append((self._added, call))
        else:
            call()

    def write(self) -> None:
        """One turn of the loop; asks for the next where something is left."""
        self._is_woken = False
        ends = time.monotonic() + TURN_S
        while self._waiting:
            self._write(min(STEP, len(self._waiting)))
            if time.monotonic() >= ends:
                break
        while self._watchers and self._watchers[0][0] <= self._taken:
            self._watchers.popleft()[1]()
        if self._waiting and not self._is_woken:
            self._wake()

    def _wake(self) -> None:
        self._is_woken = True
        asyncio.get_running_loop().call_soon(self.write)

    def _write(self, count: int) -> None:
        frames = 0
        for _ in range(count):
            connection = self._waiting.popleft()
            frames += len(connection.outbox)
            if connection.is_behind:
                self._backlogs.before_write(connection)
            connection.flush()
            queued = connection.wire.queued_bytes
            if connection.is_behind or queued - connection.transient_bytes > self._max_queued_bytes:
                self._backlogs.written(connection, queued)
        self._taken += count
        FRAMES_OUT.count += frames
