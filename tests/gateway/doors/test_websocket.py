"""The WebSocket door of a gateway that runs: logins, limits and closes, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from typing import Any

import pytest
import websockets
from tornado.iostream import IOStream

from gateway.doors.websocket import _take_socket
from gateway.metrics import CLOSES
from protocol.errors import ImError, busy, unauthenticated
from tests.gateway.conftest import NewSite
from tests.gateway.raw_websocket import PING, TEXT, RawSocket, handshake, masked
from tests.gateway.site import Site, until
from tests.http_calls import get

LOGIN = {"terminal": "web", "device": "d1", "client": "test/1"}


def _closes(code: int) -> float:
    return CLOSES.labels(str(code))._value.get()


async def test_a_login_is_answered_with_who_one_is(site: Site) -> None:
    client = await site.connect()
    reply = await client.ask("login", {**LOGIN, "token": site.token("ann")}, "17")
    data = reply["data"]
    assert (reply["op"], reply["id"], data["user"], data["session"]) == (
        "reply",
        "17",
        {"id": "ann", "name": "ann"},
        "s-ann",
    )
    assert data["heartbeat"] == 30 and data["epoch"] == "e" and isinstance(data["time"], int)
    await client.send("heartbeat", None, None)
    beat = await client.next()
    assert beat["op"] == "heartbeat" and "id" not in beat


async def test_a_command_goes_up_and_its_answer_comes_back_under_its_id(site: Site) -> None:
    client = await site.login("ann")
    answers = [await client.ask("sync", {"cursors": {}}, frame_id) for frame_id in ("a", "a", "b")]
    assert [answer["id"] for answer in answers] == ["a", "a", "b"]
    assert answers[0]["data"]["asked"] == {"cursors": {}}
    command = site.worker.seen[-1]
    assert (command.sender.user, command.session, command.trace) == ("ann", "s-ann", "")
    await client.send("sync", {"cursors": {}}, None)
    await client.ask("user.get", {"ids": ["ann"]}, "c")
    assert [frame.get("id") for frame in client.frames[-2:]] == ["b", "c"]


async def test_frames_right_behind_the_handshake_are_read(site: Site) -> None:
    """Pins how the socket is taken from Tornado: nothing that it had read is lost."""
    login = json.dumps({"op": "login", "id": "1", "data": {**LOGIN, "token": site.token("ann")}}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(handshake() + masked(1, login))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 101")
    frame = await asyncio.wait_for(reader.readuntil(b"}}"), 10)
    assert b'"op":"reply"' in frame
    writer.close()


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_no_socket_is_taken_of_one_who_left_right_behind_the_handshake(how: str) -> None:
    """Pins that the stream itself finds out: what it then holds is no socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    if how == "reset":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    stream = IOStream(accepted)
    assert _take_socket(stream) is None
    assert stream.closed()


async def test_frames_may_come_byte_by_byte(site: Site) -> None:
    login = json.dumps({"op": "login", "id": "1", "data": {**LOGIN, "token": site.token("ann")}}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(handshake())
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    for byte in masked(1, login):
        writer.write(bytes([byte]))
        await writer.drain()
    assert b'"op":"reply"' in await asyncio.wait_for(reader.readuntil(b"}}"), 10)
    writer.close()


@pytest.mark.parametrize(
    ("refusal", "close"), [(unauthenticated(), 4004), (busy(), 1013)], ids=["for good", "until later"]
)
async def test_a_refused_login_says_why_and_closes(site: Site, refusal: ImError, close: int) -> None:
    site.worker.refusals["session.open"] = refusal
    client = await site.connect()
    error = await client.ask("login", {**LOGIN, "token": site.token("ann")})
    assert (error["op"], error["data"]["code"]) == ("error", refusal.code)
    assert await client.closed() == close


async def test_a_wrong_token_never_reaches_a_worker(site: Site) -> None:
    client = await site.connect()
    assert (await client.ask("login", {**LOGIN, "token": "x"}))["data"]["code"] == "unauthenticated"
    assert await client.closed() == 4004
    assert site.worker.seen == []


async def test_a_login_with_a_wrong_field_may_be_corrected(site: Site) -> None:
    client = await site.connect()
    assert (await client.ask("login", {"token": site.token("ann"), "terminal": "fridge"}))["data"][
        "code"
    ] == "bad_field"
    assert (await client.ask("login", {**LOGIN, "token": site.token("ann")}))["op"] == "reply"
    assert (await client.ask("login", {**LOGIN, "token": site.token("ann")}))["data"]["code"] == "bad_field"
    assert (await client.ask("sync", {"cursors": {}}))["op"] == "reply"


async def test_an_op_before_the_login_closes(site: Site) -> None:
    client = await site.connect()
    assert (await client.ask("sync", {"cursors": {}}))["data"]["code"] == "unauthenticated"
    assert await client.closed() == 4003


async def test_who_does_not_log_in_is_sent_away(new_site: NewSite) -> None:
    site = await new_site(login_timeout_s=0.2)
    assert await (await site.connect()).closed() == 4001


@pytest.mark.slow
async def test_who_falls_silent_is_pinged_then_closed_and_any_sign_of_life_counts(new_site: NewSite) -> None:
    """The page of a hidden tab says nothing itself; its browser answers our ping."""
    site = await new_site(login_timeout_s=1, heartbeat_s=1)
    hidden_tab, pinging = await site.login("cat"), await site.login("bob")

    async def ping() -> None:
        while True:
            await pinging.socket.ping()
            await asyncio.sleep(0.3)

    pings = asyncio.create_task(ping())
    async with await RawSocket.open(site, "ann") as silent:
        begun = time.monotonic()
        assert await silent.next() == (PING, b"")
        assert 1.2 < time.monotonic() - begun < 2.3
        assert await silent.closed() == 4009
        assert 2.2 < time.monotonic() - begun < 3.3
    await asyncio.sleep(2)
    for client in (pinging, hidden_tab):
        assert (await client.ask("sync", {"cursors": {}}))["op"] == "reply"
    pings.cancel()


@pytest.mark.parametrize(
    ("payload", "close"),
    [(b"binary", 1003), ("x" * 65_537, 1009), (["x" * 40_000, "x" * 40_000], 1009)],
    ids=["binary", "large", "fragments"],
)
async def test_what_no_client_sends_closes(site: Site, payload: Any, close: int) -> None:
    client = await site.login("ann")
    await client.socket.send(payload)
    assert await client.closed() == close


async def test_text_that_is_not_utf8_closes(site: Site) -> None:
    client = await site.login("ann")
    await client.socket.send(b"\xff\xfe", text=True)
    assert await client.closed() == 1007


async def test_the_third_bad_frame_closes(site: Site) -> None:
    client = await site.login("ann")
    for _ in range(3):
        await client.socket.send("not json")
    assert await client.closed() == 4002
    assert [frame["data"]["code"] for frame in client.frames[-3:]] == ["bad_frame"] * 3


async def test_no_answer_in_time_is_a_timeout(new_site: NewSite) -> None:
    site = await new_site(request_timeout_s=0.3)
    client = await site.login("ann")
    site.worker.silent.add("sync")
    error = (await client.ask("sync", {"cursors": {}}))["data"]
    assert (error["code"], error["retry"]) == ("timeout", True)


async def test_too_many_unanswered_are_busy(new_site: NewSite) -> None:
    site = await new_site(max_pending_per_connection=2, request_timeout_s=0.5)
    site.worker.silent.add("sync")
    async with await RawSocket.open(site, "ann") as raw:
        raw.write(b"".join(RawSocket.command("sync", {"cursors": {}}, str(number)) for number in range(3)))
        error = await raw.next_text()
    assert (error["id"], error["data"]["code"]) == ("2", "busy")


@pytest.mark.parametrize(
    "flood", [masked(TEXT, b'{"op":"heartbeat"}'), masked(PING, b"x" * 100)], ids=["heartbeats", "pings"]
)
async def test_who_asks_and_never_reads_is_closed(new_site: NewSite, flood: bytes) -> None:
    """What a client can ask for at will is bounded as pushes are, at any rate."""
    site = await new_site(max_queued_bytes=64 * 1024, slow_s=1, messages_per_s=1_000_000, message_burst=1_000_000)
    before = _closes(4010)
    login = json.dumps({"op": "login", "id": "1", "data": {**LOGIN, "token": site.token("ann")}}).encode()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", site.port))
    await loop.sock_sendall(raw, handshake() + masked(1, login))

    async def ask_on() -> None:
        try:
            while True:
                await loop.sock_sendall(raw, flood * 500)
        except OSError:
            return

    asking = asyncio.create_task(ask_on())
    await until(lambda: _closes(4010) == before + 1)
    asking.cancel()
    raw.close()


async def test_one_connection_too_many_is_turned_away_before_it_is_one(new_site: NewSite) -> None:
    site = await new_site(max_connections=1)
    await site.login("ann")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await site.connect()
    assert refused.value.response.status_code == 503


async def test_a_connection_that_ends_leaves_room_and_nothing_behind(new_site: NewSite) -> None:
    site = await new_site(max_connections=1)
    site.worker.groups["ann"] = {"team": 1}
    for _ in range(3):
        client = await site.login("ann")
        assert site.router.resolve(["ann"], ["team"])[0]["ann"] == [site.address]
        await client.socket.close()
        await until(lambda: not any(any(held.values()) for held in site.router.resolve(["ann"], ["team"])))


async def test_an_orderly_stop_tells_when_to_come_back(new_site: NewSite) -> None:
    site = await new_site()
    client = await site.login("ann")
    site.worker.silent.add("sync")
    await client.send("sync", {"cursors": {}})
    await until(lambda: site.worker.count("sync") == 1)
    stopping = asyncio.create_task(site.gateway.stop())
    site.push(site.worker.answer(site.worker.seen[-1]))
    assert await client.closed() == 1012
    await stopping
    assert [frame["op"] for frame in client.frames[-2:]] == ["reply", "reconnect"]
    assert client.frames[-1]["op"] == "reconnect" and 0 <= client.frames[-1]["data"]["after"] < 10_000


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        ("https://chat.example.com", True),
        ("https://chat.example.com.evil.com", False),
        ("https://evil-chat.example.com", False),
        ("http://chat.example.com", False),
        ("null", False),
        (None, True),
    ],
)
async def test_pages_of_other_origins_are_refused(new_site: NewSite, origin: str | None, is_welcome: bool) -> None:
    site = await new_site(origins=("https://chat.example.com",))
    opening = websockets.connect(f"ws://127.0.0.1:{site.port}/ws", origin=origin)  # type: ignore[arg-type]
    if is_welcome:
        await (await opening).close()
        return
    with pytest.raises(websockets.InvalidStatus) as refused:
        await opening
    assert refused.value.response.status_code == 403


async def test_a_token_in_the_address_is_refused(site: Site) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"ws://127.0.0.1:{site.port}/ws?token=x")
    assert refused.value.response.status_code == 400
    assert (await get(site.port, "/ws")).status in (400, 426)
