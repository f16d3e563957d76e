"""Pages of other origins at the door: preflights end in nginx, and pages that are listed may read its own refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ops.servers.nginx import nginx_process
from tests.http_calls import Answer
from tests.nginx.door import Door, opened
from tests.nginx.stub_gateway import StubGateway
from tests.nginx.test_refusals import assert_refused

pytestmark = pytest.mark.servers

LISTED = (
    *(
        "https://chat.example.com",
        "http://127.0.0.1:3000",
        "https://servicewechat.com",
        "file://",
        "weapp://wx01",
        "null",
    ),
    "https://" + "a" * 250,
)
ADDRESSES = [
    ("/api/message.send", "POST, OPTIONS"),
    ("/poll/open", "POST, OPTIONS"),
    ("/poll/recv?session=a.x&cursor=0", "GET, OPTIONS"),
    ("/poll/send?session=a.x", "POST, OPTIONS"),
    ("/poll/close?session=a.x", "POST, OPTIONS"),
]


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door that knows of no gateway."""
    with opened(_listing(tmp_path_factory.mktemp("door"))) as door:
        yield door


def _listing(var: Path) -> Door:
    door = Door(var)
    gateway = msgspec.structs.replace(door.settings.gateway, origins=(*LISTED, "HTTPS://CHAT.example.com"))
    door.settings = msgspec.structs.replace(door.settings, gateway=gateway)
    door.nginx = nginx_process(door.settings)
    return door


async def preflight(door: Door, path: str, origin: str) -> Answer:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    return await door.call("OPTIONS", path, None, {"Origin": origin, **asked})


@pytest.mark.parametrize("origin", LISTED)
async def test_a_preflight_is_answered_without_a_gateway(listing: Door, origin: str) -> None:
    for path, methods in ADDRESSES:
        answer = await preflight(listing, path, origin)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-methods"] == methods
        assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
        assert answer.headers["access-control-max-age"] == "7200"
        assert answer.headers["vary"] == "Origin"
        assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    "origin",
    ["https://chat.example.com.evil.com", "http://chat.example.com", "https://chat.example.com:444", "x", "~."],
)
async def test_a_preflight_of_another_origin_is_refused(listing: Door, origin: str) -> None:
    for path, _ in ADDRESSES:
        answer = await preflight(listing, path, origin)
        assert_refused(answer, 403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers


async def test_options_that_is_no_preflight_is_405(listing: Door) -> None:
    for headers in ({}, {"Origin": LISTED[0]}, {"Access-Control-Request-Method": "POST"}):
        assert_refused(await listing.call("OPTIONS", "/api/user.get", None, headers), 405, "bad_frame")
    for path in ("/ws", "/platform/push.users"):
        assert_refused(await preflight(listing, path, LISTED[0]), 405, "bad_frame")
    assert_refused(await preflight(listing, "/_preflight", LISTED[0]), 404, "not_found")


async def test_a_page_may_read_what_the_door_itself_refuses(listing: Door) -> None:
    for path, status in [("/api/user.get", 503), ("/poll/recv?session=gone.x&cursor=0", 410)]:
        for origin, is_told in [(LISTED[0], True), ("https://evil.example.com", False), ("", False)]:
            headers = {"Origin": origin} if origin else {}
            answer = await listing.call("POST" if status == 503 else "GET", path, None, headers)
            assert answer.status == status
            assert ("access-control-allow-origin" in answer.headers) == is_told
            assert (answer.headers.get("access-control-expose-headers") == "Retry-After, X-Request-Id") == is_told


async def test_the_origin_reaches_the_gateway_and_its_answer_the_page(listing: Door) -> None:
    """Of a request itself the gateway says whether it is let in."""
    async with StubGateway(listing, "a") as gateway:
        await asyncio.to_thread(listing.restart)
        answer = await listing.post("/api/user.get", Origin="https://evil.example.com")
        assert (answer.status, gateway.header("Origin")) == (200, ["https://evil.example.com"])
        assert "access-control-allow-origin" not in answer.headers
