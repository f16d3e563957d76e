"""One client's connection, whatever its door: its user, its commands under way, the frames that wait for it.

A door gives it a Wire. Frames are collected in `outbox` until its turn comes to be written (outgoing.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Protocol

from gateway.clients.rate import Meter
from gateway.clients.session import Session
from protocol.errors import Close
from protocol.frames import write_frame
from protocol.models import UserInfo
from router.interface import Route


class Wire(Protocol):
    """What a door does with bytes. Its name `door` and the plain function `framed` are the same for all its wires."""

    door: str
    framed: Callable[[bytes], bytes]

    def send(self, data: bytes) -> None:
        """Write at once what the socket takes and queue the rest. Never blocks, never raises."""

    @property
    def queued_bytes(self) -> int:
        """How much the peer has not taken yet, beyond what the kernel holds."""
        ...

    def pause(self) -> None:
        """Take nothing more from the peer, where the door can; call it as often as you like."""

    def resume(self) -> None:
        """Take from the peer again."""

    def ping(self) -> None:
        """Ask the peer for a sign of life, where the door can: a client that need not know of it answers by itself."""

    def close(self, code: Close, reason: str) -> None:
        """Say why, then close, and abort if the peer does not follow in time."""


Put = Callable[["Connection", bytes], None]
"""Collects a framed frame for a connection (see gateway/clients/outgoing.py)."""

Forget = Callable[["Connection"], None]
"""Lets go of a connection that has ended, whatever its peer then does. May be called twice."""

NOT_LOGGED_IN = UserInfo("")


class Connection:
    """`number` is unique in a gateway's life and rises with each connection; `name` is unique among all gateways:
    `{gateway}.{epoch}.{number}`. `address` is the peer's. Times are monotonic seconds.

    Nothing is read while too many of its commands are under way (`paused_by_pending`: how many when reading paused),
    before `paused_until`, while frames that came right behind its login wait for that (`early`, in their order; most
    connections have none), or while it `is_behind` with taking what is written. `unfinished_since` is the moment at
    which a message began whose rest has not come. Each is 0 where that is not so. A connection that `skips_pushes` is
    far behind; `has_missed`: it skipped one. `pinged_at` is the moment of our last ping. At `session_ends_at` its
    session is over, unless it is refreshed. `transient_bytes` is the size of the last transient frame: it is allowed
    beside the bytes that put a connection behind.
    """

    __slots__ = (
        "address",
        "device",
        "door",
        "early",
        "forget",
        "has_missed",
        "heard_at",
        "is_behind",
        "is_closed",
        "looked_at_next",
        "meter",
        "name",
        "number",
        "opened_at",
        "outbox",
        "paused_by_pending",
        "paused_until",
        "pending",
        "pinged_at",
        "put",
        "route",
        "sender",
        "session",
        "session_ends_at",
        "session_id",
        "skips_pushes",
        "terminal",
        "transient_bytes",
        "unfinished_since",
        "user",
        "wire",
    )

    def __init__(self, number: int, name: str, wire: Wire, put: Put, forget: Forget, address: str = "") -> None:
        now = time.monotonic()
        self.number = number
        self.name = name
        self.put = put
        self.forget = forget
        self.door = wire.door
        self.wire = wire
        self.session = Session()
        self.sender = NOT_LOGGED_IN
        self.user = ""
        self.session_id = ""
        self.session_ends_at = inf
        self.terminal = ""
        self.device = ""
        self.route: Route | None = None
        self.pending = 0
        self.is_closed = False
        self.is_behind = False
        self.skips_pushes = False
        self.has_missed = False
        self.opened_at = now
        self.heard_at = now
        self.pinged_at = 0.0
        self.outbox: list[bytes] = []
        self.early: list[str] | None = None
        self.transient_bytes = 0
        self.address = address
        self.meter = Meter()
        self.paused_by_pending = 0
        self.paused_until = 0.0
        self.unfinished_since = 0.0
        self.looked_at_next = now

    def __repr__(self) -> str:
        return f"Connection({self.number} {self.door} {self.user or '-'} {self.session!r}, {self.pending} pending)"

    def answered(self, frame_id: str | None, op: str, data: bytes) -> None:
        """The answer to a command of this connection (gateway/road/reply_to.py). A command without an id wants none."""
        self.settled()
        if frame_id is not None and not self.is_closed:
            self.put(self, self.wire.framed(write_frame(op, data, frame_id)))

    def settled(self) -> None:
        """A command under way has its answer, whether or not that goes over this connection."""
        self.pending -= 1
        if self.paused_by_pending and self.pending <= self.paused_by_pending // 2:
            self.paused_by_pending = 0
            self.adjust_reading()

    def adjust_reading(self) -> None:
        """Read on, or do not."""
        if self.paused_by_pending or self.paused_until or self.early or self.is_behind:
            self.wire.pause()
        else:
            self.wire.resume()

    def reply(self, payload: bytes) -> None:
        """Collect one frame. Frames that a client can ask for at will go this way: here a slow reader is noticed."""
        self.put(self, self.wire.framed(payload))

    def offer(self, framed: bytes) -> bool:
        """Collect a transient frame if nothing is queued: a peer that is behind has no use for it. False: dropped."""
        if self.outbox or self.wire.queued_bytes:
            return False
        self.transient_bytes = len(framed)
        self.put(self, framed)
        return True

    def send(self, payload: bytes) -> None:
        """Send one frame now, behind those that were collected."""
        self.flush()
        self.wire.send(self.wire.framed(payload))

    def flush(self) -> None:
        """Send all collected frames, in one write."""
        outbox = self.outbox
        if outbox:
            self.wire.send(outbox[0] if len(outbox) == 1 else b"".join(outbox))
            outbox.clear()
