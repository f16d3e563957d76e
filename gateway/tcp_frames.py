"""Frames of the TCP door without I/O (protocol.md section 3): a 4-byte big-endian length, then that much JSON.

Laws: `feed` never raises; after a Failed it says nothing more; the same events come however the bytes are cut up. A
length of 0 or beyond `max_bytes` is refused as soon as it is read: no memory is taken for what is only announced.
"""

from __future__ import annotations

from typing import NamedTuple

from protocol import codec
from protocol.errors import Close
from protocol.frames import write_frame

HEAD_BYTES = 4
EMPTY = bytearray()


class Failed(NamedTuple):
    """What came is no frame: close with this code."""

    code: Close


# A frame is simply its text.
Event = str | Failed


def tcp_frame(payload: bytes) -> bytes:
    """A frame of UTF-8: built once for all who get it."""
    return len(payload).to_bytes(HEAD_BYTES, "big") + payload


def close_frame(code: int, reason: str) -> bytes:
    """What the server sends last: `{"op":"close","data":{"code":4010,"reason":"slow_consumer"}}`."""
    return tcp_frame(write_frame("close", codec.write({"code": code, "reason": reason})))


class FrameDecoder:
    """Reads what one client sends, however it is cut up."""

    __slots__ = ("_max_bytes", "_rest")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest: bytearray | None = EMPTY  # never filled itself. None: the end was reached

    def __repr__(self) -> str:
        return f"FrameDecoder({'ended' if self._rest is None else f'{len(self._rest)} bytes waiting'})"

    @property
    def is_inside_a_frame(self) -> bool:
        """Whether a frame has begun and is not all there yet."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[Event]:
        """The events of all frames that are complete now."""
        if self._rest is None:
            return []
        rest = self._rest
        if rest:
            rest += data  # in place: a frame that comes byte by byte is not copied at each
        unread = rest or data
        events: list[Event] = []
        at = 0
        while len(unread) - at >= HEAD_BYTES:
            start = at + HEAD_BYTES
            end = start + int.from_bytes(unread[at:start], "big")
            refused = self._refused(end - start)
            if refused is None and end > len(unread):
                break
            events.append(_text(bytes(unread[start:end])) if refused is None else refused)
            if type(events[-1]) is Failed:
                self._rest = None
                return events
            at = end
        if rest:
            del rest[:at]
        elif at < len(data):
            self._rest = bytearray(data[at:])
        return events

    def _refused(self, size: int) -> Failed | None:
        """Why a frame of this size is not even waited for."""
        if size == 0:
            return Failed(Close.BAD_FRAMES)
        return Failed(Close.TOO_LARGE) if size > self._max_bytes else None


def _text(payload: bytes) -> Event:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return Failed(Close.NOT_UTF8)
