"""The WebSocket door: `GET /ws`, text frames (protocol.md section 3).

Tornado does the HTTP and the handshake; then the socket is taken from its stream and its frames are read here, all that
has arrived at once. `_take_socket` is the only place that knows how Tornado holds a socket; tests/gateway pins it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from tornado.iostream import IOStream
from tornado.websocket import WebSocketHandler

from gateway.clients.closing import close
from gateway.clients.connection import Connection
from gateway.doors.decoding import Failed
from gateway.doors.framed_wire import FramedWire
from gateway.doors.json_handler import Rules
from gateway.doors.request_id import NamedRequest
from gateway.doors.socket_wire import READ_BYTES
from gateway.doors.ws_frames import Closing, Event, FrameDecoder, Ping, close_frame, pong_frame, text_frame
from gateway.sessions.attendant import RETRY_AFTER_S, Attendant
from protocol.errors import Close, rate_limited
from protocol.frames import MAX_CLIENT_FRAME_BYTES

VERSION = "13"


class WebSocketWire(FramedWire):
    """The wire of one WebSocket after its handshake. `early` are the bytes that came right behind the handshake."""

    __slots__ = ("_early",)

    door = "ws"
    framed: Callable[[bytes], bytes] = staticmethod(text_frame)

    def __init__(self, attendant: Attendant, early: bytes, address: str) -> None:
        super().__init__(attendant, address, FrameDecoder(MAX_CLIENT_FRAME_BYTES))
        self._early = early

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connection = self._attendant.opened(self, self._address)
        if self._early:
            self.bytes_received(self._early)
            self._early = b""

    def handle(self, connection: Connection, event: Event) -> None:
        if type(event) is str:
            self._attendant.received(connection, event)
        elif type(event) is Closing:
            self._follow(event.code)
        elif type(event) is Failed:
            close(connection, event.code)
        elif self._attendant.signalled(connection) and type(event) is Ping:
            connection.put(connection, pong_frame(event.payload))  # there a flood without a reader is noticed

    def _follow(self, code: int) -> None:
        """The peer closes, or follows our close."""
        self.send(close_frame(code, ""))
        self.hang_up()
        self.ended()

    def close(self, code: Close, reason: str) -> None:
        self.end(close_frame(int(code), reason))


def _take_socket(stream: IOStream) -> tuple[socket.socket, bytes] | None:
    """The connection of `stream` as a socket of its own, and the bytes that were read from it already; None where the
    peer has left, which only a read finds out. Ends the stream."""
    read = cast("asyncio.Future[bytes]", stream.read_bytes(READ_BYTES, partial=True))
    early = read.result() if read.done() and read.exception() is None else b""
    read.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    if stream.closed():
        return None
    taken = stream.socket.dup()
    stream.close()
    return taken, early


def websocket_rules(attendant: Attendant, origins: tuple[str, ...]) -> Rules:
    """`origins`: see WebSocketDoor."""
    return [(r"/ws", WebSocketDoor, {"attendant": attendant, "origins": origins})]


class WebSocketDoor(NamedRequest, WebSocketHandler):
    """The handshake. `origins` are the exact origins of pages that may open a WebSocket besides the gateway's own."""

    def initialize(self, attendant: Attendant, origins: tuple[str, ...]) -> None:
        self._attendant = attendant
        self._origins = origins

    def check_origin(self, origin: str) -> bool:
        own = urlsplit(origin).netloc == self.request.headers.get("Host")
        return origin != "null" and (own or origin in self._origins)

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self._attendant.is_full:
            self.set_status(503)
            self.set_header("Retry-After", str(RETRY_AFTER_S))
            return
        self._address = self._attendant.addresses.of_request(self.request)
        if self._attendant.addresses.is_full(self._address):
            refusal = rate_limited(RETRY_AFTER_S)
            self.set_status(refusal.status)
            self.set_header("Retry-After", str(RETRY_AFTER_S))
            self.finish({"error": refusal.data()})
            return
        if "token" in self.request.query_arguments:
            # An address is logged on its way: a token in it is not secret any more.
            self.set_status(400)
            self.finish({"error": {"code": "bad_field", "message": "token: in the first frame, never in the address"}})
            return
        await super().get(*args, **kwargs)

    def get_websocket_protocol(self) -> Any:
        """None makes Tornado answer 426 and name the version that is spoken."""
        return (
            super().get_websocket_protocol() if self.request.headers.get("Sec-WebSocket-Version") == VERSION else None
        )

    async def open(self, *args: str, **kwargs: str) -> None:
        """The handshake is done: take the socket. Tornado finds its stream closed and lets go of the request."""
        stream = self.ws_connection.stream if self.ws_connection is not None else None
        if stream is None or stream.closed():
            return
        found = _take_socket(stream)
        if found is None:
            return
        taken, early = found
        taken.setblocking(False)
        wire = WebSocketWire(self._attendant, early, self._address)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: wire, taken)

    def on_message(self, message: str | bytes) -> None:
        """Never called: no frame is read by Tornado."""
