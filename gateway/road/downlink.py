"""What workers send: answers, pushes and deltas, handled in order, at most 5 ms a turn of the loop.

Laws: a hole in a link is noticed before what came after it is delivered; a message is acked when its frames are
written; nothing here waits for anything but the loop's next turn.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from bus.links import LinkWatch
from gateway.clients.closing import Closer
from gateway.clients.hub import Hub
from gateway.clients.outgoing import Outgoing
from gateway.road.uplink import Uplink
from protocol.models import Answer, Downward, DownwardMessage, Membership, Push, Revocation, Takeover, read_downward

TURN_S = 0.005

log = structlog.get_logger()

Ack = Callable[[], None]


class Downlink:
    """`on_hole(reason)` is called when something was missed; `on_joined(user, group)` when a user of ours joined a
    group; `on_left(groups)` with groups that nobody here is in any more; `on_revoked(sessions)` for who caches them;
    `on_takeover(takeover)` with each login that replaces others."""

    def __init__(
        self,
        hub: Hub,
        uplink: Uplink,
        closer: Closer,
        outgoing: Outgoing,
        on_hole: Callable[[str], None],
        on_joined: Callable[[list[str], str], None],
        on_left: Callable[[list[str]], None],
        on_revoked: Callable[[list[str]], None],
        on_takeover: Callable[[Takeover], None],
    ) -> None:
        self._hub = hub
        self._uplink = uplink
        self._closer = closer
        self._outgoing = outgoing
        self._on_hole = on_hole
        self._on_joined = on_joined
        self._on_left = on_left
        self._on_revoked = on_revoked
        self._on_takeover = on_takeover
        self._waiting: deque[tuple[bytes, Ack]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._turn_ends = 0.0
        self.links = LinkWatch()

    def __repr__(self) -> str:
        return f"Downlink({len(self._waiting)} waiting, {self.links})"

    def receive(self, body: bytes, ack: Ack) -> None:
        """A message from the bus; handled when those before it are."""
        self._waiting.append((body, ack))
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    def forget(self) -> None:
        """A new broker connection: what waits came over the old one, and every link starts anew."""
        self._waiting.clear()
        self.links.begin(time.monotonic())

    async def _work(self) -> None:
        self._turn_ends = time.monotonic() + TURN_S
        try:
            while self._waiting:
                body, ack = self._waiting.popleft()
                try:
                    await self._handle(read_downward(body))
                except msgspec.MsgspecError as error:
                    log.error("undecodable_message", error=str(error))
                except Exception as error:  # one bad message must not stop the gateway
                    log.error("message_failed", exc_info=error)
                self._outgoing.when_written(ack)
                await self._pause_if_due()
        finally:
            self._worker = None

    async def _pause_if_due(self) -> None:
        if time.monotonic() >= self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = time.monotonic() + TURN_S

    async def _handle(self, message: DownwardMessage) -> None:
        if self.links.receive(message, time.monotonic()):
            self._on_hole(f"hole in the link of {message.source}")
        for body in message.bodies:
            if type(body) is Answer:
                self._answer(body)
            elif type(body) is Push:
                if body.group:
                    for _ in self._hub.push_to_group(body):
                        await self._pause_if_due()
                else:
                    self._hub.push_to_users(body)
            else:
                self._delta(body)

    def _answer(self, answer: Answer) -> None:
        pending = self._uplink.take(answer.number)
        if pending is not None:
            pending.reply_to.answered(pending.frame_id, answer.op, bytes(answer.data))

    def _delta(self, body: Downward) -> None:
        if isinstance(body, Membership):
            joined = [user for user in body.joined if self._hub.membership.join(user, body.group, body.seq)]
            if joined:
                self._on_joined(joined, body.group)
            left = [user for user in body.left if self._hub.membership.leave(user, body.group, body.seq)]
            if left and not self._hub.membership.members(body.group):
                self._on_left([body.group])
        elif isinstance(body, Revocation):
            self._on_revoked(body.sessions)
            for connection in self._hub.of_sessions(body.sessions):
                self._closer.kick(connection, body.reason)
        elif isinstance(body, Takeover):
            self._on_takeover(body)
