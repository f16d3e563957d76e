"""When this gateway may have missed something, it learns everything anew and then has its clients sync.

Laws: from the moment a hole is noticed until the refresh is answered, no push goes out (the hub is not trusted): the
push may be for a user who has left. Then every client gets `resync`, spread: 300 a second, all within 30 s.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator

import msgspec
import structlog

from gateway.clients.backlogs import RESYNC
from gateway.clients.connection import Connection
from gateway.clients.hub import Hub
from gateway.clients.session import State
from gateway.metrics import HOLES
from gateway.road.reply_to import Refused
from gateway.road.road import Road
from gateway.sessions.joining import Joining
from gateway.sessions.revoker import Revoker
from gateway.sessions.terminals import Terminals
from process.supervision import note_failure, start_task
from protocol.args import RefreshSessions
from protocol.errors import ImError
from protocol.models import UserInfo
from protocol.ops import Caller, find_op
from protocol.replies import SessionsRefreshed

SESSIONS_A_CALL = 500
RETRY_S = 0.5
SLICE_S = 0.1
ALL_WITHIN_S = 30.0

log = structlog.get_logger()

_read_refreshed = msgspec.json.Decoder(SessionsRefreshed).decode


def _chunks(connections: list[Connection]) -> Iterator[list[Connection]]:
    iterator = iter(connections)
    while chunk := list(itertools.islice(iterator, SESSIONS_A_CALL)):
        yield chunk


class Refresher:
    """It learns anew which groups its users are in (`joining`), which logins elsewhere took the place of connections
    here (`terminals`), and which sessions have ended (`revoker`)."""

    def __init__(
        self, hub: Hub, road: Road, joining: Joining, terminals: Terminals, revoker: Revoker, resync_per_s: int
    ) -> None:
        self._hub = hub
        self._road = road
        self._joining = joining
        self._terminals = terminals
        self._revoker = revoker
        self._resync_per_s = resync_per_s
        self._asked = 0
        self._task: asyncio.Task[None] | None = None
        self._spreading: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Refresher({self._asked} asked, {'at work' if self._task else 'idle'})"

    def request(self, reason: str) -> None:
        """Something was missed. A refresh under way is done again, for it may have read before that."""
        log.warning("refresh", reason=reason, connections=len(self._hub.connections))
        HOLES.labels(reason.partition(" ")[0]).inc()
        self._hub.is_trusted = False
        self._revoker.may_have_missed()
        self._asked += 1
        if self._task is None:
            self._task = start_task("refresh", self._refresh())

    async def close(self) -> None:
        for task in (self._task, self._spreading):
            if task is not None:
                task.cancel()

    async def _refresh(self) -> None:
        try:
            done = 0
            while done != self._asked:
                done = self._asked
                await self._until_refreshed()
            self._hub.is_trusted = True
        finally:
            self._task = None
        if self._spreading is not None:
            self._spreading.cancel()
        self._spreading = start_task("resync", self._spread(self._hub.opened()))

    async def _until_refreshed(self) -> None:
        while True:
            try:
                for chunk in _chunks([c for c in self._hub.connections.values() if c.user]):
                    await self._refresh_chunk(chunk)
                return
            except (Refused, ImError) as refusal:
                log.warning("refresh_refused", reason=repr(refusal))
            except Exception as error:  # until it has succeeded no push goes out, so it is never given up
                note_failure("refresh", error)
            await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.5))

    async def _refresh_chunk(self, chunk: list[Connection]) -> None:
        membership = self._hub.membership
        before = set(membership.groups())
        token = membership.begin_load()
        takeovers = await self._terminals.settle(sorted({connection.user for connection in chunk}))
        op = find_op("session.refresh", Caller.GATEWAY)
        sessions = {connection.session_id: connection.user for connection in chunk}
        args = RefreshSessions(sessions, takeovers)
        refreshed = _read_refreshed(await self._road.ask(op, args, UserInfo("")))
        for user, groups in refreshed.groups.items():
            membership.load(user, groups, token)
        # Before any client syncs: it would miss what is sent to its groups until this gateway is registered for them.
        await self._joining.replace(before, set(membership.groups()))
        self._revoker.end(refreshed.ended, "logged_out")
        self._revoker.end(refreshed.expired, "expired")

    async def _spread(self, connections: list[Connection]) -> None:
        """`resync` to each, a slice every 100 ms."""
        per_s = max(self._resync_per_s, len(connections) / ALL_WITHIN_S)
        size = max(1, int(per_s * SLICE_S))
        random.shuffle(connections)
        for start in range(0, len(connections), size):
            for connection in connections[start : start + size]:
                if connection.session.state is State.OPEN:
                    connection.send(RESYNC)
            await asyncio.sleep(SLICE_S)
