"""The sockets of HTTP: how many there may be, who gives way, and what is said to bytes that are no request.

Laws: there are never more than `at_most`, nor more of one address than it may have. Whoever has asked nothing yet, or
nothing more, is idle, and so is whoever does not take its answer, which waits TAKEN_WITHIN_S for it; where there is no
room, the one that has been idle longest gives way to a newcomer. Every refusal is JSON of protocol.md section 4, also
those that Tornado would answer in bare text, or not at all.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from http import HTTPStatus
from re import Pattern
from typing import Any

from tornado.concurrent import Future
from tornado.httputil import HTTPInputError
from tornado.iostream import IOStream, UnsatisfiableReadError

from gateway.clients.peer_addresses import PeerAddresses
from gateway.doors.http.json_handler import STANDARD_HEADERS, error_body
from gateway.doors.http.request_id import HEADER, request_id
from gateway.metrics import HTTP_SOCKETS
from protocol.errors import ImError, busy, rate_limited, too_large
from protocol.frames import bad_frame

MAX_READ_AHEAD_BYTES = 256 * 1024  # of requests, while the answer to the one before is not there
RETRY_AFTER_S = 5
TAKEN_WITHIN_S = 60.0  # an answer has at most 128 KiB, and the kernel takes most of them whole
_TOO_LARGE = ("too long", "too large")  # in what Tornado says of a request


def bare_refusal(refusal: ImError) -> bytes:
    """The whole of an HTTP answer, after which the connection ends."""
    body = error_body(refusal.data())
    headers = {HEADER: request_id(), **STANDARD_HEADERS, "Content-Length": str(len(body)), "Connection": "close"}
    if refusal.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n{head}\r\n".encode() + body


def _refusal_of(error: HTTPInputError) -> ImError:
    if any(words in str(error) for words in _TOO_LARGE):
        return too_large("the body is too large")
    return bad_frame("this is not HTTP as it is understood here")


class HttpSocket(IOStream):
    """One client's connection, before and between its requests, and during them."""

    def __init__(self, newcomer: socket.socket, all_sockets: HttpSockets, address: str) -> None:
        super().__init__(newcomer, max_buffer_size=MAX_READ_AHEAD_BYTES)
        self._all = all_sockets
        self.address = address

    def read_until_regex(self, regex: bytes | Pattern[bytes], max_bytes: int | None = None) -> Future[bytes]:
        """How Tornado waits for the head of a request, and for nothing else."""
        head: Future[bytes] = super().read_until_regex(regex, max_bytes)  # type: ignore[arg-type, assignment]
        if not head.done():
            self._all.note_idle(self)
            head.add_done_callback(lambda _: self._all.note_busy(self))
        return head

    def write(self, data: bytes | memoryview) -> Future[None]:
        """Tornado answers what is no request while it handles that error: then in our words."""
        error = sys.exception()
        taken = super().write(bare_refusal(_refusal_of(error)) if isinstance(error, HTTPInputError) else data)
        if not taken.done():
            self._await_taken(taken)
        return taken

    def _await_taken(self, taken: Future[None]) -> None:
        self._all.note_idle(self)
        late = asyncio.get_running_loop().call_later(TAKEN_WITHIN_S, self.close)

        def is_taken(_: Future[None]) -> None:
            late.cancel()
            self._all.note_busy(self)

        taken.add_done_callback(is_taken)

    def close(self, exc_info: Any = False) -> None:
        error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
        if isinstance(error, UnsatisfiableReadError) and not self.closed():
            _say(self.socket, bare_refusal(bad_frame("the headers are longer than 8 KiB")))
        super().close(exc_info)

    def close_fd(self) -> None:
        super().close_fd()
        self._all.left(self)


class HttpSockets:
    """All of a gateway's. `addresses` counts them by their client's address where that is known: behind a proxy it is
    the proxy that limits."""

    def __init__(self, at_most: int, addresses: PeerAddresses) -> None:
        self._at_most = at_most
        self._addresses = addresses
        self._idle: dict[HttpSocket, None] = {}  # the longest idle first
        self._count = 0

    def __repr__(self) -> str:
        return f"HttpSockets({self._count} of {self._at_most}, {len(self._idle)} idle)"

    def __len__(self) -> int:
        return self._count

    def take(self, newcomer: socket.socket, peer: str) -> HttpSocket | None:
        """A newcomer's socket, None where there is no room: then it was told so and is closed."""
        address = self._addresses.of(peer)
        if self._addresses.is_full(address):
            _turn_away(newcomer, rate_limited(RETRY_AFTER_S))
            return None
        if self._count >= self._at_most:
            if not self._idle:
                _turn_away(newcomer, busy())
                return None
            next(iter(self._idle)).close()
        self._count += 1
        HTTP_SOCKETS.inc()
        self._addresses.enter(address)
        return HttpSocket(newcomer, self, address)

    def note_idle(self, stream: HttpSocket) -> None:
        """It waits for its client: for a request, or until an answer is taken."""
        self._idle[stream] = None

    def note_busy(self, stream: HttpSocket) -> None:
        """A request has come, an answer is taken, or it has ended."""
        self._idle.pop(stream, None)

    def left(self, stream: HttpSocket) -> None:
        """It is closed, or a WebSocket took its socket over."""
        self._idle.pop(stream, None)
        self._count -= 1
        HTTP_SOCKETS.dec()
        self._addresses.leave(stream.address)


def _turn_away(newcomer: socket.socket, refusal: ImError) -> None:
    with suppress(OSError):
        newcomer.recv(MAX_READ_AHEAD_BYTES)  # what is unread when a socket closes would take our answer with it
    _say(newcomer, bare_refusal(refusal))
    newcomer.close()


def _say(to: socket.socket, last: bytes) -> None:
    """A few bytes more, which the kernel of one who has not left takes."""
    with suppress(OSError):
        to.send(last)
        to.shutdown(socket.SHUT_WR)
