"""WebSocket frames (RFC 6455 section 5) without I/O: bytes in, events out; payloads in, bytes out.

Laws: `feed` never raises; after a Closing or a Failed it says nothing more. A client's frame is masked, its message at
most `max_bytes` and 64 fragments; no memory is taken for what has only been announced.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from tornado.util import _websocket_mask as unmask

from gateway.doors.decoding import Decoder, Failed, text_of
from protocol.errors import Close

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL, RESERVED_BITS, OPCODE, MASKED, LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
CONTROL = 0x8
MASK_BYTES = 4
MAX_CONTROL_BYTES = 125
MAX_FRAGMENTS = 64

# Codes that may stand in a close frame: those that RFC 6455 section 7.4 defines for it, and the registered and private.
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})


class Ping(NamedTuple):
    payload: bytes


class Pong(NamedTuple):
    payload: bytes


class Closing(NamedTuple):
    """The peer closes, or answers our close; `code` is what to echo."""

    code: int


# A whole text message is simply its text.
Event = str | Ping | Pong | Closing | Failed


def _head(opcode: int, size: int) -> bytes:
    if size < 126:
        return bytes((FINAL | opcode, size))
    if size < 1 << 16:
        return struct.pack("!BBH", FINAL | opcode, 126, size)
    return struct.pack("!BBQ", FINAL | opcode, 127, size)


def text_frame(payload: bytes) -> bytes:
    """A final, unmasked text frame of UTF-8: built once for all its receivers."""
    return _head(TEXT, len(payload)) + payload


PING_FRAME = _head(PING, 0)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping: its own payload."""
    return _head(PONG, len(payload)) + payload


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; a reason too long for it is cut."""
    payload = struct.pack("!H", code) + reason.encode()[: MAX_CONTROL_BYTES - 2]
    return _head(CLOSE, len(payload)) + payload


class FrameDecoder(Decoder[Event]):
    """Reads what one client sends, however it is cut up."""

    __slots__ = ("_fragments", "_max_bytes", "_size")

    LAST = (Closing, Failed)

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self._fragments: list[bytes] | None = None
        self._size = 0

    @property
    def is_unfinished(self) -> bool:
        """Whether a part of a frame or of a message has come, and not the rest."""
        return super().is_unfinished or self._fragments is not None

    def _end(self) -> None:
        super()._end()
        self._fragments = None

    def _frame(self, data: bytes | bytearray, at: int) -> tuple[int, Event | None]:
        available = len(data)
        if available < at + 2:
            return 0, None
        first, second = data[at], data[at + 1]
        if first & RESERVED_BITS or second < MASKED:
            return 0, Failed(Close.PROTOCOL_ERROR)
        size, mask = second & LENGTH, at + 2
        if size >= 126:
            mask += 2 if size == 126 else 8
            if available < mask:
                return 0, None
            size = data[at + 2] << 8 | data[at + 3] if size == 126 else int.from_bytes(data[at + 2 : mask], "big")
        is_usual = first == FINAL | TEXT and size <= self._max_bytes and self._fragments is None
        if not is_usual and (refused := self._refused(first & OPCODE, first >= FINAL, size)) is not None:
            return 0, Failed(refused)
        start = mask + MASK_BYTES
        end = start + size
        if available < end:
            return 0, None
        payload = unmask(bytes(data[mask:start]), bytes(data[start:end]))
        return end - at, text_of(payload) if is_usual else self._event(first & OPCODE, first >= FINAL, payload)

    def _refused(self, opcode: int, is_final: bool, size: int) -> Close | None:
        """The close that a frame deserves by its head alone, before its payload is waited for; None for a right one."""
        if opcode & CONTROL:
            is_known = opcode in (CLOSE, PING, PONG)
            return None if is_known and is_final and size <= MAX_CONTROL_BYTES else Close.PROTOCOL_ERROR
        if opcode > BINARY or (opcode == CONTINUATION) != (self._fragments is not None):
            return Close.PROTOCOL_ERROR
        if opcode == BINARY:
            return Close.UNSUPPORTED
        if self._size + size > self._max_bytes:
            return Close.TOO_LARGE
        if self._fragments is not None and len(self._fragments) >= MAX_FRAGMENTS:
            return Close.POLICY
        return None

    def _event(self, opcode: int, is_final: bool, payload: bytes) -> Event | None:
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        if opcode == CLOSE:
            return _closing(payload)
        if is_final and self._fragments is None:
            return text_of(payload)
        if self._fragments is None:
            self._fragments = []
        self._fragments.append(payload)
        self._size += len(payload)
        if not is_final:
            return None
        whole, self._fragments, self._size = b"".join(self._fragments), None, 0
        return text_of(whole)


def _closing(payload: bytes) -> Event:
    if not payload:
        return Closing(1000)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (code in _CLOSE_CODES or 3000 <= code <= 4999):
        return Failed(Close.PROTOCOL_ERROR)
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return Failed(Close.NOT_UTF8)
    return Closing(code)
