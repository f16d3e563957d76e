"""HTTP requests as bytes, right and broken: the handshake of a WebSocket, the four of long-poll, `/api`. Pure."""

from __future__ import annotations

import base64
from random import Random
from typing import NamedTuple

from tests.fuzz.texts import mutated_bytes

SEND, RECV, OPEN, CLOSE = "/poll/send", "/poll/recv", "/poll/open", "/poll/close"
ODD_CURSORS = ("-1", "1", "99", "", "x", "1.5", "%00", "9" * 15, "9" * 40, "١", "0x1")
ODD_SESSIONS = ("", "x", "g1.", "g1.nobody", "%00", "g9.x", "../..", "a" * 2000, "%ff%fe")
ODD_HEADERS = (
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Transfer-Encoding: chunked",
    b"Content-Type: text/plain",
    b"Content-Encoding: gzip",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
    b"X-Real-IP: 1.2.3.4, ::1",
    b"Cookie: " + b"a=" * 500,
    b"X: " + b"y" * 9000,
    b"no colon",
    b": empty",
    b" folded",
    b"Origin: null",
)


def handshake(rng: Random) -> bytes:
    """What opens a WebSocket."""
    key = base64.b64encode(rng.randbytes(16)).decode()
    return (
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class Request(NamedTuple):
    """`is_broken`: it need not get an answer, or gets one that says nothing of the session. `frames` is how many
    frames it holds, at least 1."""

    data: bytes
    is_broken: bool
    frames: int


def request(method: str, target: str, body: bytes = b"", *headers: bytes) -> bytes:
    """A right one, as far as HTTP goes."""
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: x", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join((*lines, b"", body))


JSON = b"Content-Type: application/json"


def poll_send(session: str, body: bytes, frames: int) -> Request:
    return Request(request("POST", f"{SEND}?session={session}", body, JSON), False, frames)


def odd_request(session: str, text: bytes, op: str, token: str, rng: Random) -> Request:
    """A request of long-poll or `/api` that HTTP has no quarrel with."""
    kind = rng.randrange(6)
    if kind == 0:
        return Request(request("GET", f"{RECV}?session={session}&cursor={rng.choice(ODD_CURSORS)}"), False, 1)
    if kind == 1:
        target = rng.choice((SEND, RECV, CLOSE)) + f"?session={rng.choice(ODD_SESSIONS)}&cursor=0"
        return Request(request("GET" if target.startswith(RECV) else "POST", target, text, JSON), False, 1)
    if kind == 2:
        return Request(request("POST", OPEN, text, JSON), False, 1)
    if kind == 3:
        method = rng.choice(("PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "get", "X" * 30))
        return Request(request(method, f"{SEND}?session={session}", text, JSON), True, 1)
    if kind == 4:
        return Request(request("POST", f"{SEND}?session={session}", text, b"Content-Type: text/plain"), False, 1)
    return Request(request("POST", f"/api/{op}", text, JSON, b"Authorization: Bearer " + token.encode()), False, 1)


def broken_request(whole: bytes, rng: Random) -> bytes:
    """Another header, or other bytes anywhere."""
    if rng.random() < 0.3:
        head, end, body = whole.partition(b"\r\n\r\n")
        return head + b"\r\n" + rng.choice(ODD_HEADERS) + end + body
    return mutated_bytes(whole, rng)
