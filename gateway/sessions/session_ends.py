"""Ends connections when their session ends (protocol.md section 4, 4006 `expired`).

Laws: what counts is the session in the store, which may have been refreshed since the connection knew its end: it is
asked again at that moment. A token that runs out ends nothing. While nobody can answer, the connection stays.
"""

from __future__ import annotations

import asyncio
import itertools
import time

import msgspec
import structlog

from gateway.clients.connection import Connection
from gateway.road.reply_to import Refused
from gateway.road.road import Road
from gateway.sessions.revoker import Revoker
from process.supervision import start_task
from protocol.args import CheckSessions
from protocol.errors import ImError
from protocol.models import UserInfo
from protocol.ops import Caller, find_op
from protocol.replies import SessionsChecked

SESSIONS_A_CALL = 500

log = structlog.get_logger()

_read_checked = msgspec.json.Decoder(SessionsChecked).decode


class SessionEnds:
    """Connections whose session may be over, and the calls that find out: one at a time, for many."""

    def __init__(self, road: Road, revoker: Revoker) -> None:
        self._road = road
        self._revoker = revoker
        self._waiting: dict[Connection, None] = {}
        self._asking: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"SessionEnds({len(self._waiting)} wait to be asked for)"

    def reached(self, connection: Connection) -> None:
        """The end of its session, as far as this gateway knows, has come. Called again while there is no answer."""
        self._waiting[connection] = None
        if self._asking is None:
            self._asking = start_task("session-ends", self._ask_for_all())

    def stop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask_for_all(self) -> None:
        try:
            while self._waiting:
                some = list(itertools.islice(self._waiting, SESSIONS_A_CALL))
                for connection in some:
                    del self._waiting[connection]
                await self._ask_for([connection for connection in some if not connection.is_closed])
        except (Refused, ImError) as refusal:
            log.warning("session_ends_unknown", reason=repr(refusal), connections=len(self._waiting))
        finally:
            self._asking = None

    async def _ask_for(self, connections: list[Connection]) -> None:
        op = find_op("session.check", Caller.GATEWAY)
        asked = CheckSessions({connection.session_id: connection.user for connection in connections})
        checked = _read_checked(await self._road.ask(op, asked, UserInfo("")))
        now = time.monotonic()
        for connection in connections:
            if connection.session_id in checked.lasting:
                connection.session_ends_at = now + checked.lasting[connection.session_id] / 1000
        for reason, sessions in checked.ended.items():
            self._revoker.end(sessions, reason)
