"""Pages of other origins: one list for /ws, /api and /poll, preflights, and who is let in without one."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.conftest import NewSite
from tests.gateway.doors.test_refusals import KEY, UPGRADE, VERSION, assert_refused, opening, raw
from tests.gateway.site import Site
from tests.http_calls import Answer, request

LISTED = (
    "https://chat.example.com",
    "http://127.0.0.1:3000",
    "https://servicewechat.com",
    "file://",
    "weapp://wx0123456789abcdef",
)
STRANGERS = [
    "https://chat.example.com.evil.com",
    "https://evil-chat.example.com",
    "http://chat.example.com",
    "https://chat.example.com:8443",
    "HTTPS://CHAT.EXAMPLE.COM",
    "null",
    "http://[",
    "x",
]


@pytest.fixture
async def listing(new_site: NewSite) -> Site:
    return await new_site(origins=LISTED)


async def ask(site: Site, method: str, path: str, origin: str, **more: str) -> Answer:
    headers = {"Content-Type": "application/json", **({"Origin": origin} if origin else {}), **more}
    return await asyncio.to_thread(request, site.port, method, path, b"{}", headers)


async def handshake(site: Site, origin: str) -> Answer:
    return await raw(site.port, opening(UPGRADE, KEY, VERSION, f"Origin: {origin}\r\n"))


@pytest.mark.parametrize("origin", LISTED)
async def test_a_listed_origin_may_use_every_door_and_read_its_refusals(listing: Site, origin: str) -> None:
    assert (await handshake(listing, origin)).status == 101
    for method, path in [("POST", "/api/sync"), ("POST", "/poll/open"), ("GET", "/poll/recv")]:
        answer = await ask(listing, method, path, origin)
        assert answer.status in (400, 401)
        assert answer.headers["access-control-allow-origin"] == origin
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", STRANGERS)
async def test_an_origin_that_is_not_listed_is_refused_at_every_door(listing: Site, origin: str) -> None:
    refused = [await handshake(listing, origin)]
    for method, path in [
        ("POST", "/api/sync"),
        ("POST", "/poll/open"),
        ("GET", "/poll/recv"),
        ("OPTIONS", "/api/sync"),
    ]:
        more = {"Access-Control-Request-Method": "POST"} if method == "OPTIONS" else {}
        refused.append(await ask(listing, method, path, origin, **more))
    for answer in refused:
        assert_refused(answer, 403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers


async def test_without_an_origin_and_from_our_own_everybody_is_let_in(listing: Site) -> None:
    own = f"http://127.0.0.1:{listing.port}"
    for origin in ("", own):
        answer = await ask(listing, "POST", "/api/sync", origin)
        assert (answer.status, answer.code) == (400, "bad_field"), "the op itself says no"
    assert (await handshake(listing, "")).status == 101
    assert (await handshake(listing, "http://x")).status == 101, "the Host of this handshake"
    assert (await handshake(listing, "weapp://x")).status == 403, "the host of another scheme is another's"


async def test_null_is_let_in_where_it_is_listed(new_site: NewSite) -> None:
    site = await new_site(origins=("null",))
    assert (await handshake(site, "null")).status == 101
    assert (await ask(site, "POST", "/api/sync", "null")).headers["access-control-allow-origin"] == "null"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/message.send", "POST, OPTIONS"),
        ("/poll/open", "POST, OPTIONS"),
        ("/poll/recv?session=a.x&cursor=0", "GET, OPTIONS"),
        ("/poll/send?session=a.x", "POST, OPTIONS"),
        ("/poll/close?session=a.x", "POST, OPTIONS"),
    ],
)
async def test_a_preflight_is_answered_without_nginx(listing: Site, path: str, methods: str) -> None:
    more = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    answer = await ask(listing, "OPTIONS", path, LISTED[0], **more)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == LISTED[0]
    assert answer.headers["access-control-allow-methods"] == methods
    assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
    assert answer.headers["access-control-max-age"] == "7200"
    assert len(answer.headers["x-request-id"]) >= 8


async def test_options_that_is_no_preflight_is_405(listing: Site) -> None:
    assert_refused(await ask(listing, "OPTIONS", "/api/sync", ""), 405, "bad_frame")
    assert_refused(await ask(listing, "OPTIONS", "/api/sync", LISTED[0]), 405, "bad_frame")
    assert_refused(await ask(listing, "OPTIONS", "/ws", LISTED[0]), 405, "bad_frame")
