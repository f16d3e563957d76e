"""What a gateway without nginx in front refuses, by any way that HTTP comes in: JSON of protocol.md section 4."""

from __future__ import annotations

import asyncio
import json
from http.client import parse_headers
from io import BytesIO

import pytest

from tests.gateway.conftest import NewSite
from tests.gateway.site import WAIT_S, Site
from tests.http_calls import Answer, request

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"


async def raw(port: int, sent: bytes) -> Answer:
    """What comes back for these bytes, until the connection ends or its answer is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(WAIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        status_line, _, rest = head.partition(b"\r\n")
        headers = {name.lower(): value for name, value in parse_headers(BytesIO(rest)).items()}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    writer.close()
    return Answer(int(status_line.split()[1]), body, headers)


def assert_refused(answer: Answer, status: int, code: str) -> None:
    """JSON with a code of the table, a message, whether to try again; and the id of the request."""
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.json["error"].keys() >= {"code", "message", "retry"}
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.headers["x-request-id"]) >= 8


def opening(*lines: str, method: str = "GET", path: str = "/ws", version: str = "HTTP/1.1") -> bytes:
    return f"{method} {path} {version}\r\nHost: x\r\n{''.join(lines)}\r\n".encode()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (opening(), 400, "bad_frame"),
        (opening(UPGRADE, VERSION), 400, "bad_frame"),
        (opening(UPGRADE, KEY), 400, "bad_frame"),
        (opening(UPGRADE, VERSION, "Sec-WebSocket-Key: short\r\n"), 400, "bad_frame"),
        (opening(KEY, VERSION, "Upgrade: h2c\r\nConnection: Upgrade\r\n"), 400, "bad_frame"),
        (opening(KEY, VERSION, "Upgrade: websocket\r\nConnection: close\r\n"), 400, "bad_frame"),
        (opening(UPGRADE, KEY, VERSION, version="HTTP/1.0"), 400, "bad_frame"),
        (opening(UPGRADE, KEY, VERSION, path="/ws?token=x"), 400, "bad_field"),
        (opening(UPGRADE, KEY, "Sec-WebSocket-Version: 8\r\n"), 426, "bad_frame"),
        (opening(UPGRADE, KEY, VERSION, "Origin: https://evil.example.com\r\n"), 403, "forbidden"),
        (opening(UPGRADE, KEY, VERSION, method="POST"), 405, "bad_frame"),
    ],
    ids=[
        *("no upgrade", "no key", "no version", "a short key", "another protocol", "no Connection"),
        *("HTTP/1.0", "a token in the address", "another version", "another origin", "another method"),
    ],
)
async def test_a_handshake_that_is_refused_says_why_in_json(site: Site, sent: bytes, status: int, code: str) -> None:
    answer = await raw(site.port, sent)
    assert_refused(answer, status, code)
    if status == 426:
        assert answer.headers["sec-websocket-version"] == "13"
    if status == 405:
        assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"rubbish\r\n\r\n", 400, "bad_frame"),
        (b"POST /api/sync HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "bad_frame"),
        (b"POST /api/sync HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rot13\r\n\r\n", 400, "bad_frame"),
        (b"POST /api/sync HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_frame"),
        (b"GET /ws HTTP/1.1\r\nHost: x\r\nCookie: " + b"x" * 9000 + b"\r\n\r\n", 400, "bad_frame"),
        (b"POST /api/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n", 413, "too_large"),
        (b"POST /api/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, 413, "too_large"),
        (b"POST /api/sync?" + b"x" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "too_large"),
        (b"BREW /api/sync HTTP/1.1\r\nHost: x\r\n\r\n", 405, "bad_frame"),
        (b"PUT /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 405, "bad_frame"),
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found"),
        (
            b"POST /poll/send?session=%ff HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n",
            400,
            "bad_frame",
        ),
        (b"POST /poll/send?session=x HTTP/1.1\r\nHost: x\r\n\r\n", 415, "bad_frame"),
    ],
    ids=[
        *("no request", "a negative length", "another encoding", "a broken chunk", "long headers", "2 MiB announced"),
        *("over 64 KiB", "a long address", "no method", "another method of operations", "nothing there"),
        *("no UTF-8 in the query", "another type of body"),
    ],
)
async def test_every_refusal_of_a_gateway_is_json(site: Site, sent: bytes, status: int, code: str) -> None:
    assert_refused(await raw(site.port, sent), status, code)


async def test_405_names_the_methods_and_is_no_unknown_op(site: Site) -> None:
    for method, path, allowed in [
        ("GET", "/api/sync", "POST, OPTIONS"),
        ("POST", "/poll/recv", "GET, OPTIONS"),
        ("DELETE", "/poll/send", "POST, OPTIONS"),
        ("POST", "/metrics", "GET"),
    ]:
        answer = await asyncio.to_thread(request, site.port, method, path)
        assert_refused(answer, 405, "bad_frame")
        assert answer.headers["allow"] == allowed


async def test_where_there_is_no_room_the_handshake_says_so_in_json(new_site: NewSite) -> None:
    site = await new_site(max_connections=1)
    await site.login("ann")
    answer = await raw(site.port, opening(UPGRADE, KEY, VERSION))
    assert_refused(answer, 503, "busy")
    assert (answer.headers["retry-after"], json.loads(answer.body)["error"]["retry"]) == ("5", True)


async def test_a_refused_login_over_long_poll_names_the_field(site: Site) -> None:
    headers = {"Content-Type": "application/json"}
    for body, field in [(b"{}", "token"), (b'{"token":"x"}', "terminal"), (b'{"token":"x","terminal":7}', "terminal")]:
        answer = await asyncio.to_thread(request, site.port, "POST", "/poll/open", body, headers)
        assert_refused(answer, 400, "bad_field")
        assert answer.json["error"]["field"] == field


async def test_every_http_answer_has_an_id(site: Site) -> None:
    """Taken from the request where that brings a usable one."""
    token = site.token("ann")
    for method, path in [
        ("POST", "/api/sync"),
        ("OPTIONS", "/api/sync"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/nothing"),
        ("GET", "/poll/recv"),
    ]:
        for given, is_taken in (("0123456789abcdef", True), ("a b", False), ("", False)):
            headers = {"Authorization": f"Bearer {token}", **({"X-Request-Id": given} if given else {})}
            answer = await asyncio.to_thread(request, site.port, method, path, b'{"cursors":{}}', headers)
            named = answer.headers["x-request-id"]
            assert named == given if is_taken else len(named) >= 8
    opened = await raw(site.port, opening(UPGRADE, KEY, VERSION, "X-Request-Id: 0123456789abcdef\r\n"))
    assert (opened.status, opened.headers["x-request-id"]) == (101, "0123456789abcdef")
