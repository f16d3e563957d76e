"""All doors of one gateway: HTTP with WebSocket, long-poll and operations on one port, TCP on another."""

from __future__ import annotations

import socket

from tornado.httpserver import HTTPServer
from tornado.web import Application

from gateway.doors.http.json_handler import Rules, UnknownAddress
from gateway.doors.http.pages import Origins
from gateway.doors.http.sockets import HttpSockets
from gateway.doors.listener import Listener
from gateway.doors.long_poll.sessions import PollSessions
from gateway.doors.tcp import TcpDoor
from gateway.sessions.attendant import Attendant
from protocol.frames import MAX_CLIENT_FRAME_BYTES

MAX_BODY_BYTES = 2 * 1024 * 1024  # beyond it the connection is cut; a handler's own limit is answered
MAX_HEADER_BYTES = 8 * 1024
SLOW_REQUEST_S = 10.0
LAST_POLLS_S = 1.0  # in which clients that poll may fetch the frames left for them


def application(origins: Origins, *doors: Rules) -> Application:
    """Everything that HTTP requests find (protocol.md section 3): the addresses of each door. Pages of `origins` may
    ask."""
    return Application(
        [rule for rules in doors for rule in rules],
        default_handler_class=UnknownAddress,
        websocket_max_message_size=MAX_CLIENT_FRAME_BYTES,
        log_function=lambda handler: None,
        origins=origins,
    )


class Doors:
    """Bound by `bind`, open from `open` until `close`. `host` is where both ports listen."""

    def __init__(
        self,
        host: str,
        port: int,
        tcp_port: int,
        attendant: Attendant,
        polls: PollSessions,
        http_sockets: HttpSockets,
    ) -> None:
        self._host = host
        self._port = port
        self._tcp_port = tcp_port
        self._attendant = attendant
        self._polls = polls
        self._http_sockets = http_sockets
        self._tcp_door = TcpDoor(attendant)
        self._server: HTTPServer | None = None
        self._listeners: list[Listener] = []

    def __repr__(self) -> str:
        return f"Doors({self._host}:{self._port}, TCP {self._tcp_port}, {self._listeners})"

    def bind(self) -> None:
        """Take the ports, so that a port that is in use is known at once. Raises OSError.

        Nobody listens yet: a client that comes before `open` is refused, and goes elsewhere.
        """
        for port, take in ((self._port, self._take_http), (self._tcp_port, self._tcp_door.take)):
            bound = _bound(self._host, port)
            self._listeners.append(Listener(bound, take, lambda: self._attendant.has_login_backlog))

    async def open(self, http: Application) -> None:
        """Let clients in. Raises OSError where another program has begun to listen on a port since `bind`."""
        self._polls.start()
        self._server = HTTPServer(
            http,
            max_body_size=MAX_BODY_BYTES,
            max_header_size=MAX_HEADER_BYTES,
            body_timeout=SLOW_REQUEST_S,
            idle_connection_timeout=2 * SLOW_REQUEST_S,
        )
        for listener in self._listeners:
            listener.open()

    async def close(self) -> None:
        """Call when every connection was sent away. Clients that poll may fetch the reason, then the ports close."""
        await self._polls.stop(LAST_POLLS_S)
        for listener in self._listeners:
            listener.close()

    def _take_http(self, newcomer: socket.socket, address: tuple[str, int]) -> None:
        if self._server is not None and (stream := self._http_sockets.take(newcomer, address[0])) is not None:
            self._server.handle_stream(stream, address)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, and does not listen yet. Raises OSError."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
