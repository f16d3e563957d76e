"""Connections whose peers are behind with taking what is written: held back, and closed where they take nothing.

Laws: slow is a peer that takes nothing for `slow_s` while more than `max_queued_bytes` wait for it, not one that was
sent much at once. While so much waits nothing is read from it, so that it cannot ask for more. With FULL times as much
it gets no pushes until it has caught up; the store has them, and it is told `resync`. It has PATIENCE times `slow_s` to
catch up, for one that takes a byte now and then is no better than one that takes nothing. With CEILING times as much,
which only answers can amount to, it is closed at once.
"""

from __future__ import annotations

import asyncio
import time

from gateway.clients.closing import close
from gateway.clients.connection import Connection
from protocol.errors import Close
from protocol.frames import write_frame

FULL, CEILING = 4, 64
PATIENCE = 12  # with the defaults 2 minutes for 1 MiB: 9 KiB/s
LOOK_S = 0.1  # between two looks at all who are behind; with nobody behind there is none

RESYNC = write_frame("resync")


class _Backlog:
    """How much waited when its connection was looked at last, when its peer last took something, and since when it has
    been far behind, if it is (s, monotonic)."""

    __slots__ = ("far_since", "queued", "taken_at")

    def __init__(self, queued: int, now: float) -> None:
        self.queued = queued
        self.taken_at = now
        self.far_since: float | None = None


class Backlogs:
    """The connections of a gateway that are behind."""

    def __init__(self, max_queued_bytes: int, slow_s: float) -> None:
        self._max_queued_bytes = max_queued_bytes
        self._slow_s = slow_s
        self._behind: dict[Connection, _Backlog] = {}
        self._is_looking = False

    def __repr__(self) -> str:
        return f"Backlogs({len(self._behind)} connections)"

    def before_write(self, connection: Connection) -> None:
        """More is about to be written to a connection that is behind."""
        backlog = self._behind.get(connection)
        if backlog is not None:
            self._note_taken(connection, backlog, time.monotonic())

    def written(self, connection: Connection, queued: int) -> None:
        """`queued` bytes wait after a write: too many, or the connection was behind before."""
        if connection.is_closed:
            return
        if queued > CEILING * self._max_queued_bytes:
            close(connection, Close.SLOW_CONSUMER)
            return
        backlog = self._behind.get(connection)
        if backlog is None:
            backlog = self._behind[connection] = _Backlog(queued, time.monotonic())
            connection.is_behind = True
            connection.adjust_reading()
            self._look_later()
        else:
            backlog.queued = queued
        if queued > FULL * self._max_queued_bytes and not connection.skips_pushes:
            connection.skips_pushes = True
            backlog.far_since = time.monotonic()

    def _look_later(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._is_looking = False
        now = time.monotonic()
        for connection, backlog in list(self._behind.items()):
            if connection.is_closed:
                self._forget(connection)
                continue
            self._note_taken(connection, backlog, now)
            if backlog.queued <= self._max_queued_bytes // 2:
                self._caught_up(connection)
            elif self._is_slow(backlog, now):
                self._forget(connection)
                close(connection, Close.SLOW_CONSUMER)
        if self._behind:
            self._look_later()

    def _is_slow(self, backlog: _Backlog, now: float) -> bool:
        far_since = now if backlog.far_since is None else backlog.far_since
        return now - backlog.taken_at > self._slow_s or now - far_since > PATIENCE * self._slow_s

    def _note_taken(self, connection: Connection, backlog: _Backlog, now: float) -> None:
        queued = connection.wire.queued_bytes
        if queued < backlog.queued:
            backlog.taken_at = now
            # Its heartbeats and the rest of its message wait in the kernel, because nothing is read.
            connection.heard_at = now
            if connection.unfinished_since:
                connection.unfinished_since = now
        backlog.queued = queued

    def _forget(self, connection: Connection) -> None:
        del self._behind[connection]
        connection.is_behind = connection.skips_pushes = False

    def _caught_up(self, connection: Connection) -> None:
        self._forget(connection)
        connection.adjust_reading()
        if connection.has_missed:
            connection.has_missed = False
            connection.reply(RESYNC)
