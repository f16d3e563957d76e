"""Looks after connections: gives what a door reads to the session, and carries out what the session says.

Every door calls `opened`, `received` and `closed`; nothing here knows which door it was.
"""

from __future__ import annotations

import time

from gateway.clients.closing import close
from gateway.clients.connection import Connection, Forget, Wire
from gateway.clients.deadlines import Deadlines
from gateway.clients.hub import Hub
from gateway.clients.peer_addresses import UNKNOWN, PeerAddresses
from gateway.clients.rate import ADMIT, Rate, Verdict
from gateway.clients.session import Early, Effect, End, Login, Reply, State
from gateway.limits import Limits
from gateway.metrics import CONNECTIONS
from gateway.road.reply_to import FrameReplyTo
from gateway.road.road import Road
from gateway.sessions.login_queue import LoginQueue
from protocol.client_command import ClientCommand
from protocol.errors import Close, ImError, bad_field, busy
from protocol.frames import write_error
from protocol.ops import BYTES_OF_A_COMMAND
from router.interface import Registrar

RETRY_AFTER_S = 5  # what every door tells newcomers for whom there is no room
PAUSE_S = 1.0  # without reading, for a connection over its rate: a flood then costs a few hundred frames a second


class Attendant:
    """All connections of a gateway, from all doors."""

    def __init__(
        self,
        hub: Hub,
        registrar: Registrar,
        road: Road,
        logins: LoginQueue,
        deadlines: Deadlines,
        rate: Rate,
        limits: Limits,
    ) -> None:
        self._hub = hub
        self._registrar = registrar
        self._road = road
        self._logins = logins
        self._rate = rate
        self._limits = limits
        self._deadlines = deadlines
        self._forget: Forget = self.closed  # the same object for all connections
        self.addresses = PeerAddresses(limits.trusted_proxies, limits.max_connections_per_address)
        # Reading pauses at half of the commands that may be under way: frames that were read already find room.
        self._pause_at = max(1, limits.max_pending_per_connection // 2)
        self._takes_newcomers = True

    def __repr__(self) -> str:
        return f"Attendant({self._hub}, {self._logins})"

    def start(self) -> None:
        self._deadlines.start()

    def stop(self) -> None:
        self._deadlines.stop()

    def turn_newcomers_away(self) -> None:
        """From now on every door says that there is no room."""
        self._takes_newcomers = False

    @property
    def send_buffer_bytes(self) -> int:
        """How many sent bytes the kernel may hold for one socket."""
        return self._limits.send_buffer_bytes

    @property
    def is_full(self) -> bool:
        """Whether one more connection would be too many, or would have to leave at once."""
        return not self._takes_newcomers or len(self._hub.connections) >= self._limits.max_connections

    @property
    def has_login_backlog(self) -> bool:
        """Whether newcomers had better wait outside until others have logged in."""
        return self._logins.has_backlog

    def opened(self, wire: Wire, address: str = UNKNOWN) -> Connection:
        """A door has a new connection."""
        connection = self._hub.open(wire, self._forget, address)
        self.addresses.enter(address)
        self._deadlines.watch(connection)
        CONNECTIONS.labels(connection.door).inc()
        return connection

    def received(self, connection: Connection, text: str, reply_to: FrameReplyTo | None = None) -> bool:
        """A frame's text came in. Its answer goes to the connection, unless a door names another `reply_to`.

        True: the frame is on its way up, and will be answered once.
        """
        now = connection.heard_at = time.monotonic()
        answers = connection if reply_to is None else reply_to
        if (verdict := self._rate.take(connection.meter, now)) is not ADMIT:
            retry_after_s = self._rate.retry_after_s(connection.meter, now)
            self._carry_out(connection, connection.session.over_rate(text, now, retry_after_s), answers)
            self._slow_down(connection, verdict, now)
            return False
        is_forwarded = self._carry_out(connection, connection.session.receive(text, now), answers)
        if is_forwarded and len(text) >= BYTES_OF_A_COMMAND:
            self._rate.charge(connection.meter, len(text) // BYTES_OF_A_COMMAND, now)
        return is_forwarded

    def signalled(self, connection: Connection) -> bool:
        """A client's ping or pong: counts as a frame and as a sign of life. False: over the rate, so not answered."""
        now = connection.heard_at = time.monotonic()
        verdict = self._rate.take(connection.meter, now)
        if verdict is not ADMIT:
            self._slow_down(connection, verdict, now)
        return verdict is ADMIT

    def unfinished(self, connection: Connection, *, is_new: bool) -> None:
        """A message has come in part; `is_new`: it is not the message that was unfinished before."""
        if not connection.is_closed:
            self._deadlines.unfinished(connection, is_new=is_new, now=time.monotonic())

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

    def _carry_out(self, connection: Connection, effects: list[Effect], answers: FrameReplyTo) -> bool:
        is_forwarded = False
        for effect in effects:
            if type(effect) is ClientCommand:
                is_forwarded = self._forward(connection, effect, answers)
            elif type(effect) is Reply:
                answers.reply(effect.frame)
            elif type(effect) is Login:
                self._logins.enter(connection, effect, self._logged_in)
            elif type(effect) is Early:
                self._keep(connection, effect)
            elif type(effect) is End:
                close(connection, effect.code, effect.reason)
        return is_forwarded

    def _keep(self, connection: Connection, frame: Early) -> None:
        """It waits for the login, and so does all that was not read yet: little comes together, whoever sends it."""
        early = connection.early = connection.early or []
        if len(early) < self._limits.max_pending_per_connection:
            early.append(frame.text)
            connection.adjust_reading()
        elif frame.id is not None:
            connection.reply(write_error(busy(), frame.id))

    def _logged_in(self, connection: Connection) -> None:
        """The login is answered: what came behind it has its turn."""
        early, connection.early = connection.early, None
        if early:
            now = time.monotonic()
            for text in early:
                self._carry_out(connection, connection.session.receive(text, now), connection)
            connection.adjust_reading()

    def _forward(self, connection: Connection, command: ClientCommand, answers: FrameReplyTo) -> bool:
        try:
            if connection.pending >= self._limits.max_pending_per_connection:
                raise busy()
            if connection.door in command.op.not_over:
                raise bad_field("op", "not over this door")
            self._road.forward(command, connection, answers)
            if (cost := command.op.cost(command.args)) > 1:
                self._rate.charge(connection.meter, cost - 1, connection.heard_at)
        except ImError as refusal:
            if command.id is not None:
                answers.reply(write_error(refusal, command.id))
            return False
        connection.pending += 1
        if connection.pending >= self._pause_at and not connection.paused_by_pending:
            connection.paused_by_pending = connection.pending
            connection.adjust_reading()
        return True

    def _slow_down(self, connection: Connection, verdict: Verdict, now: float) -> None:
        """It sends more than its rate: read nothing for a while, or close if it goes on and on."""
        if verdict is Verdict.CLOSE:
            close(connection, Close.RATE_LIMITED)
        elif not connection.is_closed and not connection.paused_until:
            self._deadlines.pause(connection, now + PAUSE_S)
