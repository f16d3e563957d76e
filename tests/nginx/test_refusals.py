"""What nginx itself refuses: statuses and bodies of protocol.md section 4, nothing forwarded, nothing secret logged."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import time
from pathlib import Path

import pytest

from ops.servers import nginx
from ops.servers.nginx import directory_of
from tests.http_calls import Answer
from tests.nginx.conftest import NewGateways
from tests.nginx.door import UPGRADE, Door, open_door, until
from tests.nginx.stub_gateway import StubGateway

pytestmark = pytest.mark.servers

SECRET = "s3cret-" + "x" * 20
HIDDEN = [
    *("/", "/metrics", "/readyz", "//metrics", "/%6detrics", "/wss", "/etc/passwd", "/_refused/busy"),
    *("/api/../metrics", "/api/%2e%2e/metrics", "/api/..%2fmetrics", "/api/", "/api/UPPER", "/api/" + "a" * 65),
    *("/poll/", "/poll/else", "/platform/"),
]
WRONG_METHODS = [
    *("POST /ws", "GET /api/user.get", "OPTIONS /api/user.get", "BREW /api/user.get", "TRACE /api/user.get"),
    *("GET /platform/push.users", "GET /poll/open", "POST /poll/recv?session=a.x", "GET /poll/send?session=a.x"),
    "GET /poll/close?session=a.x",
]
NO_REQUESTS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
    b"GET /ws HTTP/1.1\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
    b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /ws HTTP/3.7\r\nHost: a\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * 9000 + b"\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: a\r\n" + b"X-Padding: " + b"y" * 6000 + b"\r\nX: " + b"z" * 4000 + b"\r\n\r\n",
    b"rubbish\r\n\r\n",
]


def assert_refused(answer: Answer, status: int, code: str, retry: bool = False) -> None:
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["error"]["retry"] is retry
    assert answer.json["error"].keys() >= {"code", "message", "retry"}
    assert answer.headers["server"] == "nginx"
    assert len(answer.headers["x-request-id"]) == 32


async def test_what_is_not_for_the_public_is_not_there(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    for method in ("GET", "POST"):
        for path in HIDDEN:
            assert_refused(await door.call(method, path), 404, "not_found")
    assert gateway.requests == []


async def test_a_method_that_an_address_does_not_know_is_405(door: Door) -> None:
    for line in WRONG_METHODS:
        method, path = line.split(" ")
        answer = await door.call(method, path)
        assert_refused(answer, 405, "bad_frame")
        assert answer.headers["allow"].startswith("GET" if path.startswith(("/ws", "/poll/recv")) else "POST")


async def test_a_body_over_its_limit_is_413(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    for path in ("/api/message.send", "/poll/open"):
        assert_refused(await door.post(path, b"x" * (64 * 1024 + 1)), 413, "too_large")
    for path in ("/poll/send?session=a.x", "/platform/push.users"):
        assert_refused(await door.post(path, b"x" * (1024 * 1024 + 1)), 413, "too_large")
    assert gateway.requests == []
    assert (await door.post("/api/message.send", b"x" * 64 * 1024)).status == 200
    assert (await door.post("/platform/push.users", b"x" * 1024 * 1024)).status == 200
    assert [len(body) for body in gateway.bodies] == [64 * 1024, 1024 * 1024]


async def test_an_address_over_2_kib_is_414(door: Door, new_gateways: NewGateways) -> None:
    await new_gateways("a")
    fits = "/api/user.get?" + "x" * (2048 - len("/api/user.get?"))
    assert (await door.post(fits)).status == 200
    for path in (fits + "x", "/" + "x" * 9000):
        assert_refused(await door.post(path), 414, "too_large")


async def test_what_is_no_request_is_400(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    for sent in NO_REQUESTS:
        head, _, body = (await door.raw(sent)).partition(b"\r\n\r\n")
        assert b" 400 " in head.split(b"\r\n")[0], (sent, head)
        assert json.loads(body)["error"]["code"] == "bad_frame"
        assert b"X-Request-Id: " in head
    assert gateway.requests == []


async def test_a_web_socket_is_not_opened_by_http_1_0(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    head = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    answered = await door.raw(f"GET /ws HTTP/1.0\r\nHost: a\r\n{head}\r\n".encode())
    assert b" 400 " in answered.split(b"\r\n")[0] and b'"code":"bad_frame"' in answered
    assert b'"code":"bad_frame"' in await door.raw(b"GET /ws\r\n")  # HTTP/0.9, which has no headers
    assert gateway.requests == []


async def test_every_answer_of_the_door_has_an_id(door: Door, new_gateways: NewGateways) -> None:
    await new_gateways("a")
    calls = [
        "GET /healthz",
        "GET /no",
        "POST /api/user.get",
        "POST /poll/open",
        "POST /poll/send?session=b.x",
        "PUT /ws",
    ]
    for method, path in (call.split(" ") for call in calls):
        assert len((await door.call(method, path)).headers["x-request-id"]) == 32
    answer = await door.call("GET", "/healthz", None, {"If-Match": '"x"'})
    assert answer.status in (200, 400) and answer.headers["content-type"].startswith("application/json")


async def test_a_gateway_that_fails_is_answered_for_in_json(door: Door, new_gateways: NewGateways) -> None:
    """What would be 502 or 504: nobody was reached, or nobody knows what became of it."""
    (gateway,) = await new_gateways("a")
    gateway.dies_on_request = True
    assert_refused(await door.post("/api/user.get"), 503, "timeout", retry=True)
    await gateway.refuse()
    assert_refused(await door.post("/api/user.get"), 503, "busy", retry=True)


@pytest.mark.slow
async def test_slow_headers_are_cut_after_10_s(door: Door) -> None:
    def trickle() -> float:
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", door.port), 30) as connection:
            connection.settimeout(0.5)
            connection.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nX: ")
            while time.monotonic() - begun < 20:
                try:
                    connection.sendall(b"y")
                    if connection.recv(100) == b"":
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
        return time.monotonic() - begun

    assert 9 < await asyncio.to_thread(trickle) < 13


async def test_the_real_address_is_passed_on(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    forged = ("X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded")
    answer = await door.post("/api/user.get", **dict.fromkeys(forged, "6.6.6.6"))
    assert answer.status == 200
    assert gateway.header("X-Real-IP") == ["127.0.0.1"]
    assert gateway.header("X-Forwarded-For") == ["127.0.0.1"]
    assert gateway.header("X-Forwarded-Proto") == ["http"]
    assert "6.6.6.6" not in gateway.requests[-1]
    (await asyncio.to_thread(door.upgraded)).close()
    assert gateway.header("X-Real-IP") == ["127.0.0.1"]
    assert gateway.header("Host") == ["door"]
    assert gateway.header("Upgrade") == ["websocket"]


async def test_only_a_web_socket_may_upgrade(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    await door.post("/api/user.get", Upgrade="h2c", Connection="Upgrade, HTTP2-Settings")
    assert gateway.header("Upgrade") == []


async def test_a_query_reaches_the_gateway_as_it_was_sent(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    await door.post("/platform/push.users?a=%2F&b=%20c")
    assert gateway.requests[-1].startswith("POST /platform/push.users?a=%2F&b=%20c HTTP/1.1\r\n")


async def test_healthz_is_its_own(door: Door) -> None:
    answer = await door.call("GET", "/healthz")
    assert (answer.status, answer.json) == (200, {"name": "nginx", "ok": True})


async def test_no_secret_is_in_any_log(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    header = {"Authorization": f"Bearer {SECRET}", "Cookie": SECRET, "Referer": SECRET, "User-Agent": SECRET}

    async def everything() -> None:
        for line in ("GET /poll/recv", "POST /poll/send", "POST /api/x", "GET /ws", "GET /no"):
            method, path = line.split(" ")
            await door.call(method, f"{path}?session=a.{SECRET}&token={SECRET}", b"[]", header)
        await door.post(f"/poll/send?session=b.{SECRET}", SECRET.encode(), **header)
        await door.post(f"/api/x?{SECRET}", b"x" * 70_000, **header)
        await door.raw(f"GET /ws?{SECRET} HTTP/1.1\r\n\r\n".encode())
        await door.raw(f"{SECRET}\r\n\r\n".encode())

    await everything()
    gateway.dies_on_request = True
    await everything()
    await gateway.refuse()
    await everything()
    assert await door.raw(f"GET /{'y' * 9000}?{SECRET} HTTP/1.1\r\n\r\n".encode())
    await until(lambda: '"path":"/poll/recv","status":410' in door.logs())
    await asyncio.to_thread(door.nginx.stop)  # writes what is buffered
    assert SECRET not in door.logs()


@pytest.mark.parametrize("limit", ["requests", "connections"])
async def test_limits_are_by_address(tmp_path: Path, limit: str) -> None:
    few = {"requests": {"requests_per_s": 1, "requests_burst": 5}, "connections": {"connections_per_address": 3}}
    with open_door(tmp_path, unlimited=("::1",), **few[limit]) as door:
        door.listen()
        async with StubGateway(door, "a") as gateway:
            await asyncio.to_thread(door.restart)
            await until(lambda: "gateway a is up" in door.said())
            if limit == "requests":
                answers = [await door.post("/api/user.get", **{"X-Real-IP": f"1.2.3.{n}"}) for n in range(12)]
            else:
                held = [await asyncio.to_thread(door.upgraded) for _ in range(3)]
                answers = [await door.post("/api/user.get")]
                for connection in held:
                    connection.close()
            refused = [answer for answer in answers if answer.status != 200]
            assert refused
            for answer in refused:
                assert_refused(answer, 429, "rate_limited", retry=True)
                assert answer.json["error"]["retry_after"] == 1
                assert answer.headers["retry-after"] == "1"
            assert gateway.paths["/api/user.get"] == len(answers) - len(refused)
        assert "limiting" not in door.nginx.log.read_text()
        assert (directory_of(door.settings.var) / "access.log").exists()


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("192.0.2.7", "192.0.2.8", 503),
        ("2001:db8:1:2::7", "2001:db8:1:2:ffff::8", 429),
        ("2001:db8:1:2::7", "2001:db8:1:3::7", 503),
        ("2001:db8:a0a:a0a::7", "2001:db8:a0a:a0a:a0a::8", 429),  # its bytes are line breaks
    ],
)
async def test_a_network_of_ipv6_is_one_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str, status: int
) -> None:
    """Our nginx, with a header that says where a request comes from."""
    source = shutil.copytree(nginx.SOURCE, tmp_path / "source")
    text = (source / "nginx.conf").read_text()
    told = "set_real_ip_from 127.0.0.1; real_ip_header X-From;"
    (source / "nginx.conf").write_text(text.replace("http {", f"http {{ {told}", 1))
    monkeypatch.setattr(nginx, "SOURCE", source)
    with open_door(tmp_path, unlimited=("::1",), requests_per_s=1, requests_burst=1) as door:
        for _ in range(4):
            await door.post("/api/user.get", **{"X-From": first})
        assert (await door.post("/api/user.get", **{"X-From": first})).status == 429
        assert (await door.post("/api/user.get", **{"X-From": second})).status == status
