"""The WebSocket door: `GET /ws`, text frames (protocol.md section 3).

Tornado does the HTTP and the handshake; then the socket is taken from its stream and its frames are read here, all that
has arrived at once. `_take_socket` is the only place that knows how Tornado holds a socket; tests/gateway pins it.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Callable
from typing import Any, cast

from tornado.iostream import IOStream
from tornado.websocket import WebSocketHandler

from gateway.clients.closing import close
from gateway.clients.connection import Connection
from gateway.doors.decoding import Failed
from gateway.doors.framed_wire import FramedWire
from gateway.doors.http.json_handler import Rules
from gateway.doors.http.pages import PageHandler
from gateway.doors.socket_wire import READ_BYTES
from gateway.doors.ws_frames import PING_FRAME, Closing, Event, FrameDecoder, Ping, close_frame, pong_frame, text_frame
from gateway.sessions.attendant import RETRY_AFTER_S, Attendant
from protocol.errors import Close, ImError, bad_field, busy, rate_limited
from protocol.frames import MAX_CLIENT_FRAME_BYTES, bad_frame

VERSION = "13"
UPGRADE_REQUIRED = 426
KEY_BYTES = 16


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

    def ping(self) -> None:
        self.send(PING_FRAME)

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


def _is_key(text: str) -> bool:
    """Whether it may stand in Sec-WebSocket-Key."""
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except ValueError:
        return False


def websocket_rules(attendant: Attendant) -> Rules:
    return [(r"/ws", WebSocketDoor, {"attendant": attendant})]


class WebSocketDoor(PageHandler, WebSocketHandler):
    """The handshake (RFC 6455 section 4.2). What it refuses, it refuses before Tornado would, which answers in text."""

    def initialize(self, attendant: Attendant) -> None:
        self._attendant = attendant

    def check_origin(self, origin: str) -> bool:
        """Looked at in `prepare`, for every door alike."""
        return True

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if (why := self._no_handshake()) is not None:
            self.refuse(why.data())
        elif self.request.headers["Sec-WebSocket-Version"] != VERSION:
            self.set_header("Sec-WebSocket-Version", VERSION)
            self.refuse(bad_frame(f"version {VERSION} of WebSocket is spoken here").data(), UPGRADE_REQUIRED)
        elif (room := self._no_room()) is not None:
            self.refuse(room.data())
        else:
            await super().get(*args, **kwargs)

    def _no_handshake(self) -> ImError | None:
        """What is wrong with the request."""
        headers = self.request.headers
        words = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
        if self.request.version != "HTTP/1.1":
            return bad_frame("a WebSocket is opened by HTTP/1.1")
        if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in words:
            return bad_frame("this address takes a WebSocket: Upgrade and Connection must say so")
        named = "Host" in headers and "Sec-WebSocket-Version" in headers
        if not named or not _is_key(headers.get("Sec-WebSocket-Key", "")):
            return bad_frame("the handshake of a WebSocket has Host, Sec-WebSocket-Key and Sec-WebSocket-Version")
        if "token" in self.request.query_arguments:
            # An address is logged on its way: a token in it is not secret any more.
            return bad_field("token", "in the first frame, never in the address")
        return None

    def _no_room(self) -> ImError | None:
        """Why one more connection is too many. Notes the client's address."""
        self._address = self._attendant.addresses.of_request(self.request)
        if self._attendant.is_full:
            self.set_header("Retry-After", str(RETRY_AFTER_S))
            return busy()
        return rate_limited(RETRY_AFTER_S) if self._attendant.addresses.is_full(self._address) else None

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
