"""Frames of the TCP door without I/O (protocol.md section 3): a 4-byte big-endian length, then that much JSON.

Law: a length of 0 or beyond `max_bytes` is refused as soon as it is read; no memory is taken for what is only
announced.
"""

from __future__ import annotations

from gateway.doors.decoding import Decoder, Failed, text_of
from protocol import codec
from protocol.errors import Close
from protocol.frames import write_frame

HEAD_BYTES = 4


# A frame is simply its text.
Event = str | Failed


def tcp_frame(payload: bytes) -> bytes:
    """A frame of UTF-8: built once for all its receivers."""
    return len(payload).to_bytes(HEAD_BYTES, "big") + payload


def close_frame(code: int, reason: str) -> bytes:
    """What the server sends last: `{"op":"close","data":{"code":4010,"reason":"slow_consumer"}}`."""
    return tcp_frame(write_frame("close", codec.write({"code": code, "reason": reason})))


class FrameDecoder(Decoder[Event]):
    """Reads what one client sends, however it is cut up."""

    __slots__ = ("_max_bytes",)

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes

    def _frame(self, data: bytes | bytearray, at: int) -> tuple[int, Event | None]:
        start = at + HEAD_BYTES
        if len(data) < start:
            return 0, None
        size = int.from_bytes(data[at:start], "big")
        if size == 0:
            return 0, Failed(Close.BAD_FRAMES)
        if size > self._max_bytes:
            return 0, Failed(Close.TOO_LARGE)
        if len(data) < start + size:
            return 0, None
        return HEAD_BYTES + size, text_of(bytes(data[start : start + size]))
