"""Serves HTTP to newcomers of one port, by Tornado: within limits of time and size, and of sockets."""

from __future__ import annotations

import socket
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application

from gateway.doors.http.json_handler import Rules, UnknownAddress
from gateway.doors.http.pages import Origins
from gateway.doors.http.sockets import HttpSockets
from protocol.frames import MAX_CLIENT_FRAME_BYTES

MAX_BODY_BYTES = 2 * 1024 * 1024  # what is larger is not read; a handler's own limit may be lower
MAX_HEADER_BYTES = 8 * 1024
SLOW_REQUEST_S = 10.0


class HttpDoor:
    """`open` says what is found there, then `take` gets the newcomers, which are among `sockets`."""

    def __init__(self, sockets: HttpSockets) -> None:
        self._sockets = sockets
        self._server: HTTPServer | None = None

    def __repr__(self) -> str:
        return f"HttpDoor({self._sockets})"

    def open(self, origins: Origins, *doors: Rules) -> None:
        """Everything that requests find from now on (protocol.md section 3). Pages of `origins` may ask."""
        application = Application(
            [rule for rules in doors for rule in rules],
            default_handler_class=UnknownAddress,
            websocket_max_message_size=MAX_CLIENT_FRAME_BYTES,
            log_function=lambda handler: None,
            origins=origins,
        )
        self._server = HTTPServer(
            application,
            max_body_size=MAX_BODY_BYTES,
            max_header_size=MAX_HEADER_BYTES,
            body_timeout=SLOW_REQUEST_S,
            idle_connection_timeout=2 * SLOW_REQUEST_S,
        )

    def take(self, newcomer: socket.socket, address: tuple[Any, ...]) -> None:
        """A newcomer, and its address, of which the host comes first."""
        if self._server is not None and (stream := self._sockets.take(newcomer, address[0])) is not None:
            self._server.handle_stream(stream, address)
