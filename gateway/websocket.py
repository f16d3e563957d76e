"""The WebSocket door: `GET /ws`, text frames (protocol.md section 3). Carries bytes; the attendant does the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tornado.iostream import IOStream
from tornado.websocket import WebSocketHandler

from gateway import stream_writer
from gateway.attendant import Attendant
from gateway.connection import Connection
from gateway.ws_frames import text_frame
from protocol.errors import CLOSE_REASON, Close


class WebSocketWire:
    """The wire of one WebSocket."""

    __slots__ = ("_handler", "_stream")

    framed: Callable[[bytes], bytes] = staticmethod(text_frame)

    def __init__(self, handler: WebSocketDoor, stream: IOStream) -> None:
        self._handler = handler
        self._stream = stream

    def send(self, data: bytes) -> None:
        stream_writer.write(self._stream, data)

    @property
    def queued_bytes(self) -> int:
        return stream_writer.queued_bytes(self._stream)

    def close(self, code: Close, reason: str) -> None:
        # Tornado sends the close frame behind what is queued, and aborts after 5 s without the peer's.
        self._handler.close(int(code), reason)


class WebSocketDoor(WebSocketHandler):
    """One WebSocket. `origins` are the exact origins of pages that may open one, besides the gateway's own."""

    def initialize(self, attendant: Attendant, origins: tuple[str, ...]) -> None:
        self._attendant = attendant
        self._origins = origins
        self._connection: Connection | None = None

    def check_origin(self, origin: str) -> bool:
        own = urlsplit(origin).netloc == self.request.headers.get("Host")
        return origin != "null" and (own or origin in self._origins)

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self._attendant.is_full:
            self.set_status(503)
            self.set_header("Retry-After", "5")
            return
        if "token" in self.request.query_arguments:
            # An address is logged on its way: a token in it is not secret any more.
            self.set_status(400)
            self.finish({"error": {"code": "bad_field", "message": "token: in the first frame, never in the address"}})
            return
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        connection = self.ws_connection
        if connection is not None and connection.stream is not None:
            self._connection = self._attendant.opened("ws", WebSocketWire(self, connection.stream))

    def on_message(self, message: str | bytes) -> None:
        if self._connection is None:
            return
        if isinstance(message, bytes):
            self.close(int(Close.UNSUPPORTED), CLOSE_REASON[Close.UNSUPPORTED])
        else:
            self._attendant.received(self._connection, message)

    def on_ping(self, data: bytes) -> None:
        if self._connection is not None:
            self._attendant.heard(self._connection)

    def on_pong(self, data: bytes) -> None:
        self.on_ping(data)

    def on_close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._attendant.closed(connection)
