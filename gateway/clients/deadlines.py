"""By when a connection must have done what: logged in, finished a message, shown a sign of life. One wheel for all.

Laws: a frame that comes in moves no timer. When a connection's turn comes it is looked at: it is late, or its turn
comes again at the earliest moment at which it could be.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from gateway.clients.closing import Closer
from gateway.clients.connection import Connection
from gateway.clients.session import State
from gateway.clients.timer_wheel import TimerWheel
from protocol.errors import Close

TICK_S = 0.25
SLOTS = 512  # reaches 128 s ahead: further than a heartbeat's silence
LOOKS_A_TURN = 1000  # of the loop: some 2 ms

log = structlog.get_logger()


class Deadlines:
    """`message_s` is for a message that has begun to arrive, `early_message_s` for one before the login."""

    def __init__(
        self, closer: Closer, login_s: float, silence_s: float, message_s: float, early_message_s: float
    ) -> None:
        self._closer = closer
        self._login_s = login_s
        self._silence_s = silence_s
        self._message_s = message_s
        self._early_message_s = early_message_s
        self._wheel: TimerWheel[Connection] = TimerWheel(TICK_S, SLOTS, time.monotonic())
        self._turning: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Deadlines({self._wheel})"

    def start(self) -> None:
        self._turning = asyncio.get_running_loop().create_task(self._turn())

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
            self._closer.close(connection, code)
            return
        if connection.paused_until:
            if connection.paused_until <= now:
                connection.paused_until = 0.0
                connection.adjust_reading()
            else:
                due = min(due, connection.paused_until)
        self._set(connection, due)

    def _set(self, connection: Connection, due: float) -> None:
        connection.looked_at_next = due
        self._wheel.set(connection, due)

    def _next(self, connection: Connection) -> tuple[float, Close]:
        """When it is late if nothing more comes, and how it is then closed."""
        is_open = connection.session.state is State.OPEN
        if is_open:
            due, code = connection.heard_at + self._silence_s, Close.HEARTBEAT_TIMEOUT
        else:
            due, code = connection.opened_at + self._login_s, Close.AUTH_TIMEOUT
        if connection.unfinished_since:
            finished_by = connection.unfinished_since + (self._message_s if is_open else self._early_message_s)
            if finished_by < due:
                return finished_by, Close.POLICY
        return due, code

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
        """What goes wrong with one must not end the deadlines of all."""
        try:
            self.look(connection, now)
        except Exception as error:
            log.error("deadline_failed", connection=connection.number, exc_info=error)
