"""The HTTP door: `POST /api/<op>` (protocol.md section 3). The same ops over the same road, one call a request."""

from __future__ import annotations

import asyncio

from gateway.clients.peer_addresses import PeerAddresses
from gateway.doors.http.json_handler import Rules
from gateway.doors.http.pages import CorsHandler
from gateway.road.reply_to import Refused
from gateway.road.road import Road
from gateway.sessions.api_sessions import ApiSessions
from protocol.errors import ImError, bad_field, timeout, unauthenticated
from protocol.models import UserInfo
from protocol.ops import BYTES_OF_A_COMMAND, CLIENTS, HTTP, Caller, Op, find_op, read_args


def api_rules(road: Road, sessions: ApiSessions, addresses: PeerAddresses, within_s: float) -> Rules:
    """A call is answered `within_s`, whatever it waits for."""
    given = {"road": road, "sessions": sessions, "addresses": addresses, "within_s": within_s}
    return [(r"/api/([a-z_.]{1,64})", ApiHandler, given)]


class ApiHandler(CorsHandler):
    """One call. The token is for `Authorization: Bearer`; register, login and refresh need none."""

    def initialize(self, road: Road, sessions: ApiSessions, addresses: PeerAddresses, within_s: float) -> None:
        self._road = road
        self._sessions = sessions
        self._addresses = addresses
        self._within_s = within_s

    async def post(self, name: str) -> None:
        try:
            async with asyncio.timeout(self._within_s):  # in all: the session, then the op
                data = await self._call(name)
        except TimeoutError:
            self.refuse(timeout().data())
        except ImError as refusal:
            self.refuse(refusal.data())
        except Refused as refused:
            self.refuse(refused.error)
        else:
            self.finish(b'{"data":' + data + b"}")

    async def _call(self, name: str) -> bytes:
        op = find_op(name, *CLIENTS)
        if HTTP in op.not_over:
            raise bad_field("op", "this one needs a connection that stays open")
        body = self.read_body()
        args = read_args(op, body)
        cost = op.cost(args) + len(self.request.body) // BYTES_OF_A_COMMAND
        sender, session = await self._caller(op, cost)
        address = self._addresses.of_request(self.request) if op.needs_address else ""
        return await self._road.ask(op, args, sender, session, address, self.trace)

    async def _caller(self, op: Op, cost: int) -> tuple[UserInfo, str]:
        if Caller.ANYONE in op.callers:
            return UserInfo(""), ""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated()
        who = await self._sessions.check(token.strip(), cost)
        return UserInfo(who.user, who.terminal), who.session
