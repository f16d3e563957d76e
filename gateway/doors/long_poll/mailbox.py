"""Frames that wait for a client which polls, without I/O (protocol.md section 3, long-poll).

Laws: a frame is handed out in order, at least once, and until the client shows by its next cursor that it has it. Only
the last batch is kept: its old cursor gives the same bytes again, any cursor but its old and its new one is
`bad_field`. An answer is at most 128 KiB, unless a single frame is larger.
"""

from __future__ import annotations

import sys

from gateway.doors.tcp_frames import HEAD_BYTES
from protocol.errors import bad_field
from protocol.frames import MAX_SERVER_FRAME_BYTES

ENVELOPE_BYTES = 64  # more than the cursor and the brackets take


def answer(cursor: int, frames: list[bytes]) -> bytes:
    """`{"cursor":M,"frames":[...]}`"""
    return b'{"cursor":%d,"frames":[%b]}' % (cursor, b",".join(frames))


class Mailbox:
    """A cursor is the number of frames handed out so far. Frames are put with their length in front, as over TCP."""

    __slots__ = ("_batch", "_begins", "_ends", "_waiting")

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._begins = self._ends = 0
        self._batch: bytes | None = None

    def __repr__(self) -> str:
        batch = "no batch" if self._batch is None else f"a batch of {len(self._batch)} bytes"
        return f"Mailbox(cursor {self._ends}, {len(self._waiting)} bytes waiting, {batch})"

    @property
    def cursor(self) -> int:
        """The cursor of a client that has every frame that was handed out."""
        return self._ends

    @property
    def waiting_bytes(self) -> int:
        """The size of the frames that were not handed out yet."""
        return len(self._waiting)

    def put(self, framed: bytes) -> None:
        """Some frames more."""
        self._waiting += framed

    def pop(self) -> bytes:
        """The first frame that waits, taken out and not counted."""
        return self._take(1)[0]

    def read(self, cursor: int) -> bytes | None:
        """The answer to this cursor; None where nothing waits. Raises ImError bad_field."""
        if self._batch is not None and cursor == self._begins:
            return self._batch
        if cursor != self._ends:
            raise bad_field("cursor", "neither that of the last answer nor the one before")
        self._begins, self._batch = cursor, None
        if self._waiting:
            frames = self._take()
            self._ends += len(frames)
            self._batch = answer(self._ends, frames)
        return self._batch

    def empty(self) -> bytes:
        """The answer where nothing came."""
        return answer(self._ends, [])

    def clear(self) -> None:
        """Forget all that waits, and the batch."""
        self._waiting = bytearray()
        self._begins, self._batch = self._ends, None

    def _take(self, at_most: int = sys.maxsize) -> list[bytes]:
        """As many frames as one answer holds, at least one."""
        waiting, at, room = self._waiting, 0, MAX_SERVER_FRAME_BYTES - ENVELOPE_BYTES
        frames: list[bytes] = []
        while at < len(waiting) and len(frames) < at_most:
            start = at + HEAD_BYTES
            end = start + int.from_bytes(waiting[at:start], "big")
            room -= end - start + 1
            if frames and room < 0:
                break
            frames.append(bytes(waiting[start:end]))
            at = end
        del waiting[:at]
        return frames
