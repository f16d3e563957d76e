"""The ports of one gateway: HTTP with WebSocket and long-poll on one, TCP on another, perhaps operations on a third."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from gateway.doors.http.door import HttpDoor
from gateway.doors.listener import Listener, Take
from gateway.doors.long_poll.sessions import PollSessions
from gateway.doors.tcp import TcpDoor
from gateway.sessions.attendant import Attendant
from protocol.addresses import socket_place

LOOPBACK = "127.0.0.1"
LAST_POLLS_S = 1.0  # in which clients that poll may fetch the frames left for them


class Ports(NamedTuple):
    """Where a gateway listens: HTTP and TCP on `host`. Operations have a port of their own, on loopback, where
    `operations` is one; else they are found at `http`."""

    host: str
    http: int
    tcp: int
    operations: int | None = None


class Doors:
    """Bound by `bind`, open from `open` until `close`. `http` and `operations` take the newcomers of their ports."""

    def __init__(
        self, ports: Ports, attendant: Attendant, polls: PollSessions, http: HttpDoor, operations: HttpDoor
    ) -> None:
        self._ports = ports
        self._attendant = attendant
        self._polls = polls
        self._http = http
        self._operations = operations
        self._tcp_door = TcpDoor(attendant)
        self._listeners: list[tuple[str, int, Listener]] = []  # with the place where each listens

    def __repr__(self) -> str:
        return f"Doors({self._ports}, {[listener for *_, listener in self._listeners]})"

    def bind(self) -> None:
        """Take the ports, so that a port that is in use is known at once. Raises OSError.

        Nobody listens yet: a client that comes before `open` is refused, and goes elsewhere.
        """
        ports = self._ports
        self._bind(ports.host, ports.http, self._http.take, lambda: self._attendant.has_login_backlog)
        self._bind(ports.host, ports.tcp, self._tcp_door.take, lambda: self._attendant.has_login_backlog)
        if ports.operations is not None:
            self._bind(LOOPBACK, ports.operations, self._operations.take, lambda: False)

    def _bind(self, host: str, port: int, take: Take, has_login_backlog: Callable[[], bool]) -> None:
        with _place_in_error(host, port):
            self._listeners.append((host, port, Listener(_bound(host, port), take, has_login_backlog)))

    def open(self) -> None:
        """Let clients in. Raises OSError where another program has begun to listen on a port since `bind`."""
        self._polls.start()
        for host, port, listener in self._listeners:
            with _place_in_error(host, port):
                listener.open()

    async def close(self) -> None:
        """Call when every connection was sent away. Clients that poll may fetch the reason, then the ports close."""
        await self._polls.stop(LAST_POLLS_S)
        for *_, listener in self._listeners:
            listener.close()


@contextmanager
def _place_in_error(host: str, port: int) -> Iterator[None]:
    """An OSError becomes a sentence that says where nobody can listen."""
    try:
        yield
    except OSError as error:
        place = socket_place(host, port)
        raise OSError(error.errno, f"cannot listen on {place}: {error.strerror}") from error


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, and does not listen yet; of IPv6 where `host` is such an address. Raises OSError."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, kind)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
