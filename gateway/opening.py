"""From a login frame to an open session, in the order that makes races harmless (design section 4).

Verify the token; register the user's route; ask `session.open`; register the groups and wait for the router; answer.
A message is then either in the sync that follows or is pushed, never neither. A router that is away delays nobody: it
gets everything again when it is back.
"""

from __future__ import annotations

import itertools
import time

import msgspec
import structlog

from gateway.asker import Waiter
from gateway.commands import CommandMaker
from gateway.connection import Connection
from gateway.hub import Hub
from gateway.session import Login, State
from gateway.uplink import Uplink
from protocol import codec
from protocol.models import SessionInfo, UserInfo
from protocol.ops import Caller, find_op
from protocol.replies import SessionOpened, User
from protocol.tokens import TokenSigner
from router.interface import Registrar, Route, RouterAway

log = structlog.get_logger()

_read_opened = msgspec.json.Decoder(SessionOpened).decode


class LoginReply(msgspec.Struct):
    """The data of the login's reply (protocol.md section 3). `heartbeat` in s, `time` in ms."""

    user: User
    session: str
    heartbeat: int
    time: int
    epoch: str


class Opener:
    """Opens sessions for every door, and for `/api` checks that one still stands."""

    def __init__(
        self,
        hub: Hub,
        uplink: Uplink,
        commands: CommandMaker,
        registrar: Registrar,
        signer: TokenSigner,
        heartbeat_s: int,
    ) -> None:
        self._hub = hub
        self._uplink = uplink
        self._commands = commands
        self._registrar = registrar
        self._signer = signer
        self._heartbeat_s = heartbeat_s
        self._logins = itertools.count(1)

    def verify(self, token: str) -> SessionInfo:
        """Who a token says it is. Raises ImError unauthenticated."""
        return self._signer.verify(token)

    async def ask(self, who: SessionInfo) -> SessionOpened:
        """Whether the session stands, and what belongs to it. Raises Refused, ImError."""
        op = find_op("session.open", Caller.GATEWAY)
        data = {"user": who.user, "session": who.session}
        queue, command = self._commands.make(op, data, UserInfo(who.user, who.terminal), who.session)
        waiter = Waiter()
        self._uplink.submit(queue, command, waiter)
        return _read_opened(await waiter.answer)

    async def open(self, connection: Connection, login: Login) -> bytes | None:
        """Log a connection in: the data of the reply, None where it was closed meanwhile. Raises ImError, Refused."""
        who = self.verify(login.info.token)
        connection.user, connection.session_id = who.user, who.session
        connection.terminal, connection.device = login.info.terminal, login.info.device
        connection.sender = UserInfo(who.user, login.info.terminal)
        self._hub.enter(connection)
        token = self._hub.membership.begin_load()
        route = Route(
            who.user, connection.number, connection.terminal, connection.device, who.session, next(self._logins)
        )
        connection.route = route
        try:
            await self._registrar.register(route)
        except RouterAway:
            log.debug("route_later", connection=connection.number)
        opened = await self.ask(who)
        if connection.number in self._hub.connections:
            self._hub.membership.load(who.user, opened.groups, token)
            await self.enter_groups(list(opened.groups))
        if connection.number not in self._hub.connections:
            return None
        connection.session.move(State.OPEN)
        reply = LoginReply(opened.user, who.session, self._heartbeat_s, time.time_ns() // 1_000_000, opened.epoch)
        return codec.write_struct(reply)

    async def enter_groups(self, groups: list[str]) -> None:
        """Register this gateway for the groups of a user who came in."""
        if not groups:
            return
        try:
            await self._registrar.enter_groups(groups)
        except RouterAway:
            log.debug("groups_later", groups=len(groups))
