"""From a login frame to an open session, in the order that makes races harmless (docs/architecture.md).

Verify the token; register the user's route (terminals.py); ask `session.open`, whose worker tells the gateways whose
connections this login replaces; register the groups and wait for the router; answer. So every message is in the sync
that follows, or is pushed, or both. A router that is away delays no login: it gets everything again when it is back.
"""

from __future__ import annotations

import msgspec

from gateway.clients.connection import Connection
from gateway.clients.deadlines import Deadlines
from gateway.clients.hub import Hub
from gateway.clients.session import Login, State
from gateway.road.road import Road
from gateway.sessions.joining import Joining
from gateway.sessions.terminals import Terminals
from protocol import codec
from protocol.args import OpenSession
from protocol.clock import now_ms
from protocol.models import SessionInfo, Takeover, UserInfo
from protocol.ops import Caller, find_op
from protocol.replies import SessionOpened, User
from protocol.tokens import TokenSigner

_read_opened = msgspec.json.Decoder(SessionOpened).decode


class LoginReply(msgspec.Struct):
    """The data of the login's reply (protocol.md section 3). `heartbeat` in s, `time` in ms."""

    user: User
    session: str
    heartbeat: int
    time: int
    epoch: str


class LoginFlow:
    """Opens sessions for every door; for `/api` it checks that a session still stands."""

    def __init__(
        self,
        hub: Hub,
        road: Road,
        joining: Joining,
        terminals: Terminals,
        signer: TokenSigner,
        deadlines: Deadlines,
        heartbeat_s: int,
    ) -> None:
        self._hub = hub
        self._road = road
        self._joining = joining
        self._terminals = terminals
        self._signer = signer
        self._deadlines = deadlines
        self._heartbeat_s = heartbeat_s

    def verify(self, token: str) -> SessionInfo:
        """The session that a token names. Raises ImError unauthenticated."""
        return self._signer.verify(token)

    async def ask(self, who: SessionInfo, takeover: Takeover | None = None) -> SessionOpened:
        """The session as the store has it: its user and the user's groups. The worker also sends `takeover` to the
        gateways that it concerns. Raises Refused where the session does not stand; ImError busy."""
        op = find_op("session.open", Caller.GATEWAY)
        args = OpenSession(who.user, who.session, takeover)
        return _read_opened(await self._road.ask(op, args, UserInfo(who.user, who.terminal), who.session))

    async def open(self, connection: Connection, login: Login) -> bytes | None:
        """Log a connection in: the data of the reply, None where it was closed meanwhile. Raises ImError, Refused,
        TooManyConnections."""
        if connection.number not in self._hub.connections:
            return None  # closed before its turn came: nobody would take it out of the hub again
        who = self.verify(login.info.token)
        connection.user, connection.session_id = who.user, who.session
        connection.terminal, connection.device = login.info.terminal, login.info.device
        connection.sender = UserInfo(who.user, login.info.terminal)
        self._hub.enter(connection)
        token = self._hub.membership.begin_load()
        await self._terminals.register(connection)
        if connection.number not in self._hub.connections:
            return None
        opened = await self.ask(who, self._terminals.takeover_of(connection))
        if connection.number in self._hub.connections:
            self._hub.membership.load(who.user, opened.groups, token)
            await self._joining.enter(list(opened.groups))
        if connection.number not in self._hub.connections:
            return None
        connection.session.move(State.OPEN)
        if opened.lasts_ms is not None:
            self._deadlines.session_lasts(connection, opened.lasts_ms / 1000)
        reply = LoginReply(opened.user, who.session, self._heartbeat_s, now_ms(), opened.epoch)
        return codec.write_struct(reply)
