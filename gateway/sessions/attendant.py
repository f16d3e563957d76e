"""Looks after connections: gives what a door reads to the session, and carries out what the session says.

Every door calls `opened`, `received` and `closed`; nothing here knows which door it was.
"""

from __future__ import annotations

import asyncio
import itertools
import time

import structlog

from gateway.clients.addresses import UNKNOWN, Addresses
from gateway.clients.closing import Closer
from gateway.clients.connection import Connection, Wire
from gateway.clients.deadlines import Deadlines
from gateway.clients.hub import Hub
from gateway.clients.outgoing import Outgoing
from gateway.clients.rate import ADMIT, Rate, Verdict
from gateway.clients.session import Effect, End, Login, Reply, State
from gateway.metrics import CONNECTIONS
from gateway.road.numbering import CommandMaker
from gateway.road.reply_to import FrameReplyTo, Refused
from gateway.road.uplink import Uplink
from gateway.sessions.drain import send_everyone_away
from gateway.sessions.login import LoginFlow
from protocol.client_command import Command
from protocol.errors import Close, ImError, busy, forbidden
from protocol.frames import write_error, write_frame
from router.interface import Registrar, TooManyConnections

RETRY_AFTER_S = 5  # for whom there is no room now, at any door
PAUSE_S = 1.0  # of one who sends more than the rate: its flood then costs a few hundred frames a second

log = structlog.get_logger()


class Attendant:
    """All connections of a gateway, from all doors."""

    def __init__(
        self,
        hub: Hub,
        outgoing: Outgoing,
        uplink: Uplink,
        commands: CommandMaker,
        login_flow: LoginFlow,
        registrar: Registrar,
        closer: Closer,
        deadlines: Deadlines,
        rate: Rate,
        addresses: Addresses,
        send_buffer_bytes: int,
        max_connections: int,
        max_logins: int,
        max_pending: int,
    ) -> None:
        self._hub = hub
        self._outgoing = outgoing
        self._uplink = uplink
        self._commands = commands
        self._login_flow = login_flow
        self._registrar = registrar
        self._closer = closer
        self._deadlines = deadlines
        self._rate = rate
        self.addresses = addresses
        self.send_buffer_bytes = send_buffer_bytes
        self._max_connections = max_connections
        self._max_logins = max_logins
        self._max_pending = max_pending
        self._crowd = max(1, max_pending // 2)  # under way; what was read already still finds room
        self._numbers = itertools.count(1)
        self._logins: set[asyncio.Task[None]] = set()
        self._login_turns = asyncio.Semaphore(max_logins)
        self._is_leaving = False

    def __repr__(self) -> str:
        return f"Attendant({self._hub}, {len(self._logins)} logging in)"

    def start(self) -> None:
        self._deadlines.start()

    @property
    def is_full(self) -> bool:
        """Whether another connection would be one too many, or would have to leave at once."""
        return self._is_leaving or len(self._hub.connections) >= self._max_connections

    @property
    def has_login_backlog(self) -> bool:
        """Whether so many log in, or wait for their turn to, that newcomers had better wait outside."""
        return len(self._logins) >= self._max_logins

    def opened(self, door: str, wire: Wire, address: str = UNKNOWN) -> Connection:
        """A door has a new connection."""
        connection = Connection(next(self._numbers), door, wire, self._outgoing.put, time.monotonic(), address)
        self._hub.add(connection)
        self.addresses.enter(address)
        self._deadlines.watch(connection)
        CONNECTIONS.labels(door).inc()
        return connection

    def received(self, connection: Connection, text: str, reply_to: FrameReplyTo | None = None) -> bool:
        """A frame's text came in. Its answer goes to the connection, or to whom a door names instead.

        True: the frame is on its way up, and will be answered once.
        """
        now = connection.heard_at = time.monotonic()
        answers = connection if reply_to is None else reply_to
        if (verdict := self._rate.take(connection.meter, now)) is not ADMIT:
            retry_after_s = self._rate.retry_after_s(connection.meter, now)
            self._carry_out(connection, connection.session.over_rate(text, now, retry_after_s), answers)
            self._slow_down(connection, verdict, now)
            return False
        return self._carry_out(connection, connection.session.receive(text, now), answers)

    def _carry_out(self, connection: Connection, effects: list[Effect], answers: FrameReplyTo) -> bool:
        is_forwarded = False
        for effect in effects:
            if type(effect) is Command:
                is_forwarded = self._forward(connection, effect, answers)
            elif type(effect) is Reply:
                answers.reply(effect.frame)
            elif type(effect) is Login:
                self._log_in(connection, effect)
            elif type(effect) is End:
                self._closer.close(connection, effect.code, effect.reason)
        return is_forwarded

    def heard(self, connection: Connection) -> None:
        """A ping or pong: as good as a heartbeat."""
        connection.heard_at = time.monotonic()

    def signalled(self, connection: Connection) -> bool:
        """A ping or pong of the client's: counts as a frame and as life. Whether it deserves an answer."""
        now = connection.heard_at = time.monotonic()
        verdict = self._rate.take(connection.meter, now)
        if verdict is not ADMIT:
            self._slow_down(connection, verdict, now)
        return verdict is ADMIT

    def unfinished(self, connection: Connection, *, is_new: bool) -> None:
        """A part of a message has come; `is_new`: of another than last time."""
        if not connection.is_closed:
            self._deadlines.unfinished(connection, is_new=is_new, now=time.monotonic())

    def _slow_down(self, connection: Connection, verdict: Verdict, now: float) -> None:
        if verdict is Verdict.CLOSE:
            self._closer.close(connection, Close.RATE_LIMITED)
        elif not connection.is_closed and not connection.paused_until:
            self._deadlines.pause(connection, now + PAUSE_S)

    def refuse(self, connection: Connection, code: Close) -> None:
        """What came is not even a frame of the door: close."""
        self._closer.close(connection, code)

    def closed(self, connection: Connection) -> None:
        """The peer is gone, or we closed: forget it. May be called twice."""
        if self._hub.connections.get(connection.number) is not connection:
            return
        connection.is_closed = True
        connection.session.move(State.CLOSED)
        CONNECTIONS.labels(connection.door).dec()
        self._hub.remove(connection)
        self.addresses.leave(connection.address)
        self._deadlines.forget(connection)
        if connection.user:
            abandoned = self._hub.leave(connection)
            if abandoned:
                self._registrar.leave_groups(abandoned)
        if connection.route is not None:
            self._registrar.unregister(connection.route)

    def _forward(self, connection: Connection, command: Command, answers: FrameReplyTo) -> bool:
        try:
            if connection.pending >= self._max_pending:
                raise busy()
            queue, made = self._commands.make(
                command.op, command.args, connection.sender, connection.session_id, connection.number, connection.door
            )
            self._uplink.submit(queue, made, answers, command.id)
        except ImError as refusal:
            if command.id is not None:
                answers.reply(write_error(refusal, command.id))
            return False
        connection.pending += 1
        if connection.pending >= self._crowd and not connection.paused_by_pending:
            connection.paused_by_pending = connection.pending
            connection.adjust_reading()
        return True

    def _log_in(self, connection: Connection, login: Login) -> None:
        task = asyncio.get_running_loop().create_task(self._open(connection, login))
        self._logins.add(task)
        task.add_done_callback(self._logins.discard)

    async def _open(self, connection: Connection, login: Login) -> None:
        try:
            async with self._login_turns:
                data = await self._login_flow.open(connection, login)
        except TooManyConnections:
            refusal = forbidden("this user has as many connections as one may have")
            self._refuse(connection, write_error(refusal, login.id), Close.TOO_MANY_CONNECTIONS)
            return
        except ImError as refusal:
            self._refuse(connection, write_error(refusal, login.id), _close_of(refusal.code))
            return
        except Refused as refused:
            frame = write_frame("error", refused.data, login.id)
            self._refuse(connection, frame, _close_of(refused.error["code"]))
            return
        if data is not None:
            log.info("login", connection=connection.number, user=connection.user, session=connection.session_id)
            connection.send(write_frame("reply", data, login.id))

    def _refuse(self, connection: Connection, frame: bytes, code: Close) -> None:
        """The error frame first, then the close."""
        if connection.is_closed:
            return
        connection.send(frame)
        self._closer.close(connection, code)

    async def stop(self, spread_s: float, answer_s: float) -> None:
        """Take nobody in any more, and send everyone away (see leaving.py)."""
        self._is_leaving = True
        await send_everyone_away(self._hub, self._closer, spread_s, answer_s)
        self._deadlines.stop()


def _close_of(code: str) -> Close:
    """How a refused login closes: until we can take it, or for good."""
    return Close.BUSY if code in ("busy", "timeout", "internal") else Close.LOGIN_REFUSED
