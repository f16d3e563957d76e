"""One client's connection, whatever its door: who it is, what it waits for, what waits for it.

A door gives it a Wire. Frames are collected in `outbox` until its turn comes to be written (gateway/outgoing.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.session import Session
from protocol.errors import Close
from protocol.frames import write_frame
from protocol.models import UserInfo
from router.interface import Route


class Wire(Protocol):
    """What a door does with bytes. `framed` is a plain function, the same for all connections of a door."""

    framed: Callable[[bytes], bytes]

    def send(self, data: bytes) -> None:
        """Write at once what the socket takes and queue the rest. Never blocks, never raises."""

    @property
    def queued_bytes(self) -> int:
        """What the peer has not taken yet, beyond the kernel's buffer."""
        ...

    def close(self, code: Close, reason: str) -> None:
        """Say why, then close, and abort if the peer does not follow in time."""


Put = Callable[["Connection", bytes], None]
"""Collects a framed frame for a connection (see gateway/outgoing.py)."""

NOBODY = UserInfo("")


class Connection:
    """`number` is unique in a gateway's life and rises with each connection. Times are monotonic seconds."""

    __slots__ = (
        "device",
        "door",
        "heard_at",
        "is_closed",
        "number",
        "opened_at",
        "outbox",
        "pending",
        "put",
        "route",
        "sender",
        "session",
        "session_id",
        "terminal",
        "user",
        "wire",
    )

    def __init__(self, number: int, door: str, wire: Wire, put: Put, now: float) -> None:
        self.number = number
        self.put = put
        self.door = door
        self.wire = wire
        self.session = Session()
        self.sender = NOBODY
        self.user = ""
        self.session_id = ""
        self.terminal = ""
        self.device = ""
        self.route: Route | None = None
        self.pending = 0
        self.is_closed = False
        self.opened_at = now
        self.heard_at = now
        self.outbox: list[bytes] = []

    def __repr__(self) -> str:
        return f"Connection({self.number} {self.door} {self.user or '-'} {self.session!r}, {self.pending} pending)"

    def answered(self, frame_id: str | None, op: str, data: bytes) -> None:
        """The answer to a command of this connection (see gateway/asker.py); one without an id wants none."""
        self.pending -= 1
        if frame_id is not None and not self.is_closed:
            self.put(self, self.wire.framed(write_frame(op, data, frame_id)))

    def reply(self, payload: bytes) -> None:
        """Collect one frame. What a client can ask for at will goes this way, where a slow reader is noticed."""
        self.put(self, self.wire.framed(payload))

    def send(self, payload: bytes) -> None:
        """Send one frame now, behind what was collected."""
        self.flush()
        self.wire.send(self.wire.framed(payload))

    def flush(self) -> None:
        """Send what was collected, in one write."""
        outbox = self.outbox
        if outbox:
            self.wire.send(outbox[0] if len(outbox) == 1 else b"".join(outbox))
            outbox.clear()
