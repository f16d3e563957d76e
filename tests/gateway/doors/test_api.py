"""The HTTP door: statuses, bodies, and what is no call."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
import websockets

from process import supervision
from protocol.errors import HTTP_STATUS, ImError
from tests.gateway.conftest import NewSite
from tests.gateway.site import Client, Site, until
from tests.http_calls import api, get, request


async def test_a_call_goes_the_same_road(site: Site) -> None:
    answer = await api(site.port, "sync", {"cursors": {}}, site.token("ann", "s1"))
    assert answer.data == {"asked": {"cursors": {}}}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("application/json")
    command = site.worker.seen[-1]
    assert (command.sender.user, command.sender.terminal, command.session) == ("ann", "web", "s1")
    assert command.connection == 0


async def test_register_login_and_refresh_need_no_token(site: Site) -> None:
    for op, data in [
        ("account.register", {"username": "ann", "password": "long enough"}),
        ("account.login", {"username": "ann", "password": "x"}),
        ("token.refresh", {"refresh": "x"}),
    ]:
        assert (await api(site.port, op, data)).data["asked"].items() >= data.items()
    assert site.worker.count("session.open") == 0


@pytest.mark.parametrize("code", sorted(HTTP_STATUS))
async def test_every_refusal_has_its_status(site: Site, code: str) -> None:
    site.worker.refusals["sync"] = ImError(code, "words")
    answer = await api(site.port, "sync", {"cursors": {}}, site.token("ann"))
    assert (answer.status, answer.code) == (HTTP_STATUS[code], code)
    assert set(answer.json["error"]) == {"code", "message", "retry"}


@pytest.mark.parametrize(
    ("op", "body", "status", "code"),
    [
        ("no.op", b"{}", 400, "unknown_op"),
        ("session.open", b"{}", 400, "unknown_op"),
        ("sync", b"", 400, "bad_field"),
        ("sync", b"not json", 400, "bad_frame"),
        ("sync", b"[]", 400, "bad_frame"),
        ("sync", b"\xff\xfe", 400, "bad_frame"),
        ("sync", b'{"cursors":NaN}', 400, "bad_frame"),
        ("sync", b"[" * 100_000, 413, "too_large"),
        ("sync", b"[" * 60_000, 400, "bad_frame"),
        ("sync", b'{"cursors":{"p:a:b":' + b"9" * 5000 + b"}}", 400, "bad_field"),
        ("sync", b'{"cursors":{},"x":"' + b"x" * 65_536 + b'"}', 413, "too_large"),
        ("message.send", b'{"cid":"~mine","conversation":"p:a:b","type":"text","body":{}}', 400, "bad_field"),
    ],
)
async def test_what_is_no_call_is_refused(site: Site, op: str, body: bytes, status: int, code: str) -> None:
    answer = await api(site.port, op, body, site.token("ann"))
    assert (answer.status, answer.code) == (status, code)
    assert site.worker.count(op) == 0


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic eDp4", "Bearer x", "bearer \xff"])
async def test_without_a_good_token_nobody_is_served(site: Site, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = await asyncio.to_thread(request, site.port, "POST", "/api/sync", b'{"cursors":{}}', headers)
    assert (answer.status, answer.code) == (401, "unauthenticated")


@pytest.mark.parametrize("path", ["/", "/nothing", "/api", "/api/", "/api/a/b", "/%00", "/../etc/passwd", "/API/sync"])
async def test_other_addresses_are_not_found(site: Site, path: str) -> None:
    answer = await get(site.port, path)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused_as_json(site: Site, method: str) -> None:
    answer = await asyncio.to_thread(request, site.port, method, "/api/sync")
    assert answer.status == 405 and json.loads(answer.body)["error"]["retry"] is False


async def test_a_call_is_answered_within_one_request_s_time_in_all(new_site: NewSite) -> None:
    """The session's answer takes most of it, and the op's never comes: the two have one deadline."""
    site = await new_site(request_timeout_s=1.5)
    site.worker.silent |= {"session.open", "sync"}
    begun = time.monotonic()
    call = asyncio.create_task(api(site.port, "sync", {"cursors": {}}, site.token("ann")))
    await until(lambda: site.worker.count("session.open") == 1)
    await asyncio.sleep(1)
    site.push(site.worker.answer(site.worker.seen[-1]))
    answer = await call
    assert (answer.status, answer.code, answer.json["error"]["retry"]) == (503, "timeout", True)
    assert site.worker.count("sync") == 1
    assert 1.4 < time.monotonic() - begun < 2.2


async def test_operations_tell_how_it_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await get(site.port, "/healthz")).json == {"name": "g1", "ok": True}
    await (await site.login("ann")).ask("sync", {"cursors": {}})  # a worker that answers is ready
    checks = ("bus", "router", "store", "ordered", "parallel", "accepting", "tasks")
    waiting = {**dict.fromkeys(checks, True), "store": False, "parallel": False}
    ready = await get(site.port, "/readyz")
    assert (ready.status, ready.json) == (503, waiting), "one kind does not stand for the other"
    site.worker.far.send_beacon_of_pool(site.address)
    while (await get(site.port, "/readyz")).status != 200:
        await asyncio.sleep(0.01)
    ready = await get(site.port, "/readyz")
    assert (ready.status, ready.json) == (200, dict.fromkeys(checks, True))
    metrics = await get(site.port, "/metrics")
    assert b"hongyan_connections" in metrics.body
    monkeypatch.setattr(supervision, "_failed_at", {})
    supervision.note_failure("deadlines", RuntimeError("a fault"))
    assert (await get(site.port, "/readyz")).json["tasks"] is False, "a task died a moment ago"
    await site.bus_end.close()
    assert (await get(site.port, "/readyz")).status == 503
    assert (await api(site.port, "sync", {"cursors": {}}, site.token("ann"))).code == "busy"


@pytest.mark.parametrize(
    ("said", "address"), [("203.0.113.7", "203.0.113.7"), ("2001:db8::7", "2001:db8::7"), ("x", "")]
)
async def test_a_worker_is_told_where_passwords_come_from_and_nothing_else(site: Site, said: str, address: str) -> None:
    """As far as a proxy that is trusted says it; this machine is."""
    ops = [
        ("account.login", {"username": "ann", "password": "x"}, address),
        ("account.register", {"username": "ann", "password": "long enough"}, address),
        ("account.password", {"old": "x", "new": "long enough"}, address),
        ("user.get", {"ids": ["ann"]}, ""),
    ]
    for op, data, told in ops:
        headers = {"X-Real-IP": said, "Authorization": f"Bearer {site.token('ann')}"}
        await asyncio.to_thread(request, site.port, "POST", f"/api/{op}", json.dumps(data).encode(), headers)
        assert (site.worker.seen[-1].op, site.worker.seen[-1].address) == (op, told)


async def test_a_worker_is_told_where_a_connection_comes_from(site: Site) -> None:
    said = {"X-Real-IP": "203.0.113.7"}
    async with websockets.connect(f"ws://127.0.0.1:{site.port}/ws", additional_headers=said) as socket:
        client = Client(socket)
        assert (await client.ask("login", {"token": site.token("ann"), "terminal": "web"}))["op"] == "reply"
        for op, data, address in (
            ("account.password", {"old": "x", "new": "long enough"}, "203.0.113.7"),
            ("sync", {"cursors": {}}, ""),
        ):
            await client.ask(op, data, op)
            assert (site.worker.seen[-1].op, site.worker.seen[-1].address) == (op, address)


async def test_what_somebody_else_says_of_an_address_counts_for_nothing(new_site: NewSite) -> None:
    site = await new_site(trusted_proxies=("192.0.2.1",))
    login = json.dumps({"username": "ann", "password": "x"}).encode()
    await asyncio.to_thread(request, site.port, "POST", "/api/account.login", login, {"X-Real-IP": "203.0.113.7"})
    assert site.worker.seen[-1].address == "127.0.0.1"
