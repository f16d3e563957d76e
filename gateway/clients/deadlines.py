"""Until when a connection must have logged in, finished a message, shown a sign of life; when its session ends. One
timer wheel for all.

Laws: a frame that comes in moves no timer. When a connection's turn comes it is looked at: it is late, or its turn
comes again at the earliest moment at which it could be. Before a silent one is late, it is asked once for a sign of
life.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf

import structlog

from gateway.clients.closing import close
from gateway.clients.connection import Connection
from gateway.clients.session import State
from gateway.clients.timer_wheel import TimerWheel
from gateway.limits import Limits
from process.supervision import keep_task_running
from protocol.errors import Close

TICK_S = 0.25
SLOTS = 512  # reaches 128 s ahead: further than a heartbeat's silence
SESSION_OVER_AGAIN_S = 10.0
LOOKS_A_TURN = 1000  # of the loop: some 2 ms

log = structlog.get_logger()


class Deadlines:
    """The deadlines of all connections of a gateway. They count from `start` to `stop`. `session_over` is told of a
    connection whose session should be over, and again each 10 s while nothing comes of it."""

    def __init__(self, limits: Limits, session_over: Callable[[Connection], None] = lambda _: None) -> None:
        self._limits = limits
        self._session_over = session_over
        self._wheel: TimerWheel[Connection] = TimerWheel(TICK_S, SLOTS, time.monotonic())
        self._turning: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Deadlines({self._wheel})"

    def start(self) -> None:
        self._turning = keep_task_running("deadlines", self._turn)

    def stop(self) -> None:
        if self._turning is not None:
            self._turning.cancel()

    def watch(self, connection: Connection) -> None:
        """From now on, until `forget`."""
        self._set(connection, self._next(connection)[0])

    def forget(self, connection: Connection) -> None:
        self._wheel.remove(connection)

    def unfinished(self, connection: Connection, *, is_new: bool, now: float) -> None:
        """A part of a message has come, and the rest has not; with `is_new` it is not the message of last time."""
        if is_new or not connection.unfinished_since:
            connection.unfinished_since = now
            due = self._next(connection)[0]
            if due < connection.looked_at_next:
                self._set(connection, due)

    def session_lasts(self, connection: Connection, seconds: float) -> None:
        """Its session, which has just been opened, ends in so many seconds."""
        connection.session_ends_at = time.monotonic() + seconds
        if connection.session_ends_at < connection.looked_at_next:
            self._set(connection, connection.session_ends_at)

    def pause(self, connection: Connection, until: float) -> None:
        """Read nothing more from it until then."""
        connection.paused_until = until
        connection.adjust_reading()
        if until < connection.looked_at_next:
            self._set(connection, until)

    def look(self, connection: Connection, now: float) -> None:
        """Its turn has come."""
        due, code = self._next(connection)
        if due <= now:
            close(connection, code)
            return
        if (ping_at := self._ping_at(connection)) <= now:
            connection.pinged_at = now
            connection.wire.ping()
        else:
            due = min(due, ping_at)
        if connection.paused_until:
            if connection.paused_until <= now:
                connection.paused_until = 0.0
                connection.adjust_reading()
            else:
                due = min(due, connection.paused_until)
        if connection.session_ends_at <= now:
            connection.session_ends_at = now + SESSION_OVER_AGAIN_S
            self._session_over(connection)
        self._set(connection, min(due, connection.session_ends_at))

    def _set(self, connection: Connection, due: float) -> None:
        connection.looked_at_next = due
        self._wheel.set(connection, due)

    def _next(self, connection: Connection) -> tuple[float, Close]:
        """When it is late if nothing more comes, and how it is then closed."""
        limits = self._limits
        if connection.session.state is State.OPEN:
            due, code = connection.heard_at + limits.silence_s, Close.HEARTBEAT_TIMEOUT
            finished_by = connection.unfinished_since + limits.message_timeout_s
        else:
            due, code = connection.opened_at + limits.login_timeout_s, Close.AUTH_TIMEOUT
            finished_by = connection.unfinished_since + limits.early_message_timeout_s
        if connection.unfinished_since and finished_by < due:
            return finished_by, Close.POLICY
        return due, code

    def _ping_at(self, connection: Connection) -> float:
        """When it is asked for a sign of life if none comes: once a silence, and only who is logged in."""
        if connection.session.state is not State.OPEN or connection.pinged_at >= connection.heard_at:
            return inf
        return connection.heard_at + self._limits.ping_after_s

    async def _turn(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            for place, connection in enumerate(self._wheel.turn(now), 1):
                if not connection.is_closed:
                    self._look_safely(connection, now)
                if place % LOOKS_A_TURN == 0:
                    await asyncio.sleep(0)

    def _look_safely(self, connection: Connection, now: float) -> None:
        """Whatever goes wrong with this connection must not end the deadlines of the others."""
        try:
            self.look(connection, now)
        except Exception as error:
            log.error("deadline_failed", connection=connection.number, exc_info=error)
