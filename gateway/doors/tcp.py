"""The TCP door (protocol.md section 3): the frames of the WebSocket with a length in front, on a port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gateway.clients.closing import close
from gateway.clients.connection import Connection
from gateway.doors.decoding import Failed
from gateway.doors.framed_wire import FramedWire
from gateway.doors.tcp_frames import Event, FrameDecoder, close_frame, tcp_frame
from gateway.sessions.attendant import RETRY_AFTER_S, Attendant
from process.supervision import start_task
from protocol.errors import CLOSE_REASON, Close, ImError, busy, rate_limited, too_large
from protocol.frames import MAX_CLIENT_FRAME_BYTES, bad_frame, write_error

REFUSALS = {
    Close.BAD_FRAMES: bad_frame("it is empty"),
    Close.TOO_LARGE: too_large("a frame is at most 64 KiB"),
    Close.NOT_UTF8: bad_frame("this is not UTF-8"),
}


class TcpWire(FramedWire):
    """The wire of one TCP connection. `address` is the peer's as it was accepted: a socket that its peer has left since
    knows none."""

    __slots__ = ()

    door = "tcp"
    framed: Callable[[bytes], bytes] = staticmethod(tcp_frame)

    def __init__(self, attendant: Attendant, address: str) -> None:
        super().__init__(attendant, address, FrameDecoder(MAX_CLIENT_FRAME_BYTES))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = self._attendant.addresses.of(self._address)
        if self._attendant.is_full:
            self._turn_away(busy(), Close.BUSY)
        elif self._attendant.addresses.is_full(address):
            self._turn_away(rate_limited(RETRY_AFTER_S), Close.TOO_MANY_CONNECTIONS)
        else:
            self._connection = self._attendant.opened(self, address)

    def _turn_away(self, refusal: ImError, code: Close) -> None:
        """Its socket is closed at once: whoever comes where there is no room must not take descriptors from others."""
        self.send(tcp_frame(write_error(refusal)) + close_frame(int(code), CLOSE_REASON[code]))
        self.hang_up()

    def handle(self, connection: Connection, event: Event) -> None:
        if isinstance(event, Failed):
            connection.send(write_error(REFUSALS[event.code]))
            close(connection, event.code)
        else:
            self._attendant.received(connection, event)

    def close(self, code: Close, reason: str) -> None:
        self.end(close_frame(int(code), reason))


class TcpDoor:
    """Makes connections of the sockets that its listener accepts."""

    def __init__(self, attendant: Attendant) -> None:
        self._attendant = attendant
        self._coming: set[asyncio.Task[object]] = set()

    def take(self, newcomer: socket.socket, address: tuple[Any, ...]) -> None:
        """A newcomer, and its address."""
        coming = start_task("tcp-newcomer", self._connect(newcomer, address[0]))
        self._coming.add(coming)
        coming.add_done_callback(self._coming.discard)

    async def _connect(self, newcomer: socket.socket, address: str) -> None:
        with suppress(OSError):  # it has left already
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: TcpWire(self._attendant, address), newcomer)
