"""Looks after connections: gives what a door reads to the session, and carries out what the session says.

Every door calls `opened`, `received` and `closed`; nothing here knows which door it was.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time

import structlog

from gateway.asker import Refused
from gateway.closing import Closer
from gateway.commands import CommandMaker
from gateway.connection import Connection, Wire
from gateway.hub import Hub
from gateway.metrics import CONNECTIONS
from gateway.opening import Opener
from gateway.outgoing import Outgoing
from gateway.session import End, Forward, Login, Reply, State
from gateway.uplink import Uplink
from protocol.errors import Close, ImError, busy
from protocol.frames import write_error, write_frame
from router.interface import Registrar

SWEEP_S = 1.0
SILENT_HEARTBEATS = 2.5
RESTART_SPREAD_MS = 10_000

log = structlog.get_logger()


class Attendant:
    """All connections of a gateway, from all doors."""

    def __init__(
        self,
        hub: Hub,
        outgoing: Outgoing,
        uplink: Uplink,
        commands: CommandMaker,
        opener: Opener,
        registrar: Registrar,
        closer: Closer,
        login_timeout_s: float,
        heartbeat_s: int,
        max_connections: int,
        max_pending: int,
    ) -> None:
        self._hub = hub
        self._outgoing = outgoing
        self._uplink = uplink
        self._commands = commands
        self._opener = opener
        self._registrar = registrar
        self._closer = closer
        self._login_timeout_s = login_timeout_s
        self._silence_s = heartbeat_s * SILENT_HEARTBEATS
        self._max_connections = max_connections
        self._max_pending = max_pending
        self._numbers = itertools.count(1)
        self._logins: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Attendant({self._hub}, {len(self._logins)} logging in)"

    def start(self) -> None:
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    @property
    def is_full(self) -> bool:
        """Whether another connection would be one too many."""
        return len(self._hub.connections) >= self._max_connections

    def opened(self, door: str, wire: Wire) -> Connection:
        """A door has a new connection."""
        connection = Connection(next(self._numbers), door, wire, self._outgoing.put, time.monotonic())
        self._hub.add(connection)
        CONNECTIONS.labels(door).inc()
        return connection

    def received(self, connection: Connection, text: str) -> None:
        """A frame's text came in."""
        now = connection.heard_at = time.monotonic()
        for effect in connection.session.receive(text, now):
            if type(effect) is Forward:
                self._forward(connection, effect)
            elif type(effect) is Reply:
                connection.reply(effect.frame)
            elif type(effect) is Login:
                self._log_in(connection, effect)
            elif type(effect) is End:
                self._closer.close(connection, effect.code, effect.reason)

    def heard(self, connection: Connection) -> None:
        """A ping or pong: as good as a heartbeat."""
        connection.heard_at = time.monotonic()

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
        if connection.user:
            abandoned = self._hub.leave(connection)
            if abandoned:
                self._registrar.leave_groups(abandoned)
        if connection.route is not None:
            self._registrar.unregister(connection.route)

    def _forward(self, connection: Connection, effect: Forward) -> None:
        try:
            if connection.pending >= self._max_pending:
                raise busy()
            queue, command = self._commands.make(
                effect.op, effect.data, connection.sender, connection.session_id, connection.number, connection.door
            )
            self._uplink.submit(queue, command, connection, effect.id)
        except ImError as refusal:
            if effect.id is not None:
                connection.reply(write_error(refusal, effect.id))
        else:
            connection.pending += 1

    def _log_in(self, connection: Connection, login: Login) -> None:
        task = asyncio.get_running_loop().create_task(self._open(connection, login))
        self._logins.add(task)
        task.add_done_callback(self._logins.discard)

    async def _open(self, connection: Connection, login: Login) -> None:
        try:
            data = await self._opener.open(connection, login)
        except ImError as refusal:
            self._refuse(connection, write_error(refusal, login.id), refusal.code)
            return
        except Refused as refused:
            self._refuse(connection, write_frame("error", refused.data, login.id), refused.error["code"])
            return
        if data is not None:
            log.info("login", connection=connection.number, user=connection.user, session=connection.session_id)
            connection.send(write_frame("reply", data, login.id))

    def _refuse(self, connection: Connection, frame: bytes, code: str) -> None:
        """The error frame first, then the close: for good, or until we can take it."""
        if connection.is_closed:
            return
        connection.send(frame)
        self._closer.close(connection, Close.BUSY if code in ("busy", "timeout", "internal") else Close.LOGIN_REFUSED)

    async def _sweep(self) -> None:
        """One look a second at everyone: who did not log in in time, who fell silent."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            for connection in list(self._hub.connections.values()):
                if connection.session.state is State.OPEN:
                    if now - connection.heard_at > self._silence_s:
                        self._closer.close(connection, Close.HEARTBEAT_TIMEOUT)
                elif now - connection.opened_at > self._login_timeout_s:
                    self._closer.close(connection, Close.AUTH_TIMEOUT)

    async def stop(self, within_s: float) -> None:
        """Answer what is under way, then send everyone away; each is told its own time to come back."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        give_up = time.monotonic() + within_s
        while len(self._uplink) and time.monotonic() < give_up:
            await asyncio.sleep(0.02)
        for connection in list(self._hub.connections.values()):
            self._closer.restart(connection, random.randrange(RESTART_SPREAD_MS))
