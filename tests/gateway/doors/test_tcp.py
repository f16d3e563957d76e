"""The TCP door of a gateway that runs: the same logins and limits as over a WebSocket, and an end that says why."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hongyan.channel import ChannelClosed
from hongyan.tcp import TcpChannel

from gateway.doors.tcp import TcpDoor
from gateway.metrics import CLOSES, CONNECTIONS
from protocol.errors import Close, ImError, busy, unauthenticated
from protocol.models import Revocation
from tests.gateway.conftest import NewSite
from tests.gateway.site import Site, until

WAIT_S = 10.0
GARBAGE_S = 1.0
LOGIN = {"terminal": "web", "device": "d1", "client": "test/1"}


class Client:
    """One TCP connection."""

    def __init__(self, channel: TcpChannel) -> None:
        self.channel = channel

    async def send(self, op: str, data: Any = None, **more: Any) -> None:
        await self.channel.send(json.dumps({"op": op, "data": {} if data is None else data, **more}))

    async def next(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(self.channel.receive(), WAIT_S))
        return frame

    async def ask(self, op: str, data: Any = None, frame_id: str = "1") -> dict[str, Any]:
        await self.send(op, data, id=frame_id)
        while (frame := await self.next()).get("id") != frame_id:
            continue
        return frame

    async def closed(self) -> tuple[int, str, list[dict[str, Any]]]:
        """The code and the reason of the close frame, and the frames before it."""
        frames = []
        with contextlib.suppress(ChannelClosed):
            while True:
                frames.append(await self.next())
        return self.channel.close_code, self.channel.close_reason, frames


def connections() -> float:
    """How many are open over TCP."""
    return CONNECTIONS.labels("tcp")._value.get()


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`await connect(site, user="")` -> a connection, logged in where a user is named."""
    clients: list[Client] = []

    async def made(site: Site, user: str = "") -> Client:
        client = Client(await TcpChannel.open(f"tcp://127.0.0.1:{site.tcp_port}", WAIT_S))
        clients.append(client)
        if user:
            reply = await client.ask("login", {**LOGIN, "token": site.token(user)})
            assert reply["op"] == "reply", reply
        return client

    yield made
    for client in clients:
        await client.channel.close()


async def raw_answer(port: int, *pieces: bytes) -> tuple[bytes, float]:
    """All that comes back until the end, and after how many seconds the end came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.monotonic()
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(), WAIT_S)
    writer.close()
    return answer, time.monotonic() - begun


def frames_of(data: bytes) -> list[dict[str, Any]]:
    frames, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("!I", data, at)
        frames.append(json.loads(data[at + 4 : at + 4 + size]))
        at += 4 + size
    return frames


async def test_a_login_a_command_a_heartbeat_a_push(site: Site, connect: Connect) -> None:
    client = await connect(site)
    reply = await client.ask("login", {**LOGIN, "token": site.token("ann")}, "17")
    assert (reply["op"], reply["data"]["user"]) == ("reply", {"id": "ann", "name": "ann"})
    assert (await client.ask("sync", {"cursors": {}}))["data"] == {"asked": {"cursors": {}}}
    command = site.worker.seen[-1]
    assert (command.sender.user, command.session, command.trace) == ("ann", "s-ann", "")
    await client.send("heartbeat")
    assert (await client.next())["op"] == "heartbeat"
    assert site.router.resolve(["ann"], [])[0]["ann"] == [site.address]


async def test_frames_may_come_byte_by_byte_or_many_at_once(site: Site) -> None:
    login = json.dumps({"op": "login", "id": "1", "data": {**LOGIN, "token": site.token("ann")}}).encode()
    ask = b'{"op":"sync","id":"2","data":{"cursors":{}}}'
    one_login, many = struct.pack("!I", len(login)) + login, (struct.pack("!I", len(ask)) + ask) * 1000
    reader, writer = await asyncio.open_connection("127.0.0.1", site.tcp_port)
    for byte in one_login:
        writer.write(bytes([byte]))
        await writer.drain()
    (size,) = struct.unpack("!I", await reader.readexactly(4))
    assert json.loads(await reader.readexactly(size))["op"] == "reply"
    writer.write(many)
    for _ in range(1000):
        (size,) = struct.unpack("!I", await asyncio.wait_for(reader.readexactly(4), WAIT_S))
        assert json.loads(await reader.readexactly(size))["id"] == "2"
    writer.close()


@pytest.mark.parametrize(
    ("refusal", "close"), [(unauthenticated(), 4004), (busy(), 1013)], ids=["for good", "until later"]
)
async def test_a_refused_login_says_why_twice(site: Site, connect: Connect, refusal: ImError, close: int) -> None:
    site.worker.refusals["session.open"] = refusal
    client = await connect(site)
    error = await client.ask("login", {**LOGIN, "token": site.token("ann")})
    assert (error["op"], error["data"]["code"]) == ("error", refusal.code)
    assert (await client.closed())[0] == close


async def test_an_op_before_the_login_and_no_login_in_time(new_site: NewSite, connect: Connect) -> None:
    site = await new_site(login_timeout_s=0.2)
    mute, hasty = await connect(site), await connect(site)
    await hasty.send("sync", {"cursors": {}}, id="1")
    code, _, frames = await hasty.closed()
    assert (code, frames[0]["data"]["code"]) == (4003, "unauthenticated")
    assert await mute.closed() == (4001, "auth_timeout", [])


async def test_the_third_bad_frame_closes(site: Site, connect: Connect) -> None:
    client = await connect(site, "ann")
    for _ in range(3):
        await client.channel.send("not json")
    code, reason, frames = await client.closed()
    assert (code, reason) == (4002, "bad_frames")
    assert [frame["data"]["code"] for frame in frames] == ["bad_frame"] * 3


@pytest.mark.parametrize(
    ("sent", "error", "close"),
    [
        (b"\x00\x00\x00\x00", "bad_frame", 4002),
        (b"\xff\xff\xff\xff", "too_large", 1009),
        (struct.pack("!I", 65_537), "too_large", 1009),
        (b"\x00\x00\x00\x02\xff\xfe", "bad_frame", 1007),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "too_large", 1009),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), "too_large", 1009),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "too_large", 1009),
    ],
    ids=["empty", "huge", "one too many", "not UTF-8", "HTTP", "TLS", "SSH"],
)
async def test_garbage_is_answered_and_closed_within_a_second(site: Site, sent: bytes, error: str, close: int) -> None:
    answer, after_s = await raw_answer(site.tcp_port, sent)
    assert after_s < GARBAGE_S
    refusal, closing = frames_of(answer)
    assert (refusal["op"], refusal["data"]["code"]) == ("error", error)
    assert (closing["op"], closing["data"]["code"]) == ("close", close)
    await until(lambda: not connections())


async def test_a_kick_is_told_and_then_the_end(site: Site, connect: Connect) -> None:
    client, other = await connect(site, "ann"), await connect(site, "bob")
    site.push(Revocation(["s-ann"], "logged_out"))
    assert await client.closed() == (4006, "logged_out", [{"op": "kicked", "data": {"reason": "logged_out"}}])
    assert (await other.ask("sync", {"cursors": {}}))["op"] == "reply"


async def test_who_asks_and_never_reads_is_closed(new_site: NewSite) -> None:
    site = await new_site(max_queued_bytes=64 * 1024, slow_s=1, messages_per_s=1_000_000, message_burst=1_000_000)
    slow_consumers = CLOSES.labels(str(int(Close.SLOW_CONSUMER)))._value
    before = slow_consumers.get()
    login = json.dumps({"op": "login", "id": "1", "data": {**LOGIN, "token": site.token("ann")}}).encode()
    flood = (struct.pack("!I", 18) + b'{"op":"heartbeat"}') * 500
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", site.tcp_port))
        await loop.sock_sendall(raw, struct.pack("!I", len(login)) + login)
        await until(lambda: connections() == 1)

        async def ask_on() -> None:
            with contextlib.suppress(OSError):
                while True:
                    await loop.sock_sendall(raw, flood)

        asking = asyncio.create_task(ask_on())
        await until(lambda: not connections())
        asking.cancel()
    assert slow_consumers.get() == before + 1


async def test_one_connection_too_many_is_told_to_come_back(new_site: NewSite, connect: Connect) -> None:
    site = await new_site(max_connections=1)
    await connect(site, "ann")
    code, reason, frames = await (await connect(site)).closed()
    assert (code, reason, frames[0]["data"]["code"]) == (1013, "busy", "busy")


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_who_goes_in_the_middle_of_a_frame_leaves_nothing(site: Site, connect: Connect, how: str) -> None:
    client = await connect(site, "ann")
    client.channel.writer.write(b"\x00\x00\x00\x09half")
    await client.channel.writer.drain()
    if how == "reset":
        client.channel.abort()
    await client.channel.close()
    await until(lambda: not connections())
    await until(lambda: not site.router.resolve(["ann"], [])[0].get("ann"))


async def test_who_logs_in_and_is_closed_in_one_breath_leaves_nothing(site: Site) -> None:
    login = json.dumps({"op": "login", "id": "1", "data": {**LOGIN, "token": site.token("ann")}}).encode()
    answer, _ = await raw_answer(site.tcp_port, struct.pack("!I", len(login)) + login + bytes(4))
    assert [frame["op"] for frame in frames_of(answer)] == ["error", "close"]
    await until(lambda: "Hub(0 connections, 0 users" in repr(site.gateway))
    assert site.worker.count("session.open") == 0


async def test_closing_one_who_left_while_nothing_was_read_holds_up_nobody(new_site: NewSite, connect: Connect) -> None:
    """Its goodbye is unread, so it is closed as if it were there; what the socket says to that is no news."""
    site = await new_site(login_timeout_s=0.5, messages_per_s=1, message_burst=1)
    gone, silent = await connect(site), await connect(site)
    login = b'{"op":"login","data":{}}'
    gone.channel.writer.write((struct.pack("!I", len(login)) + login) * 5)  # too many: it is not read for a second
    assert (await gone.next())["data"]["code"] == "bad_field"
    await gone.channel.close()
    assert (await silent.closed())[0] == 4001
    late = await connect(site)
    assert (await late.closed())[0] == 4001
    await until(lambda: connections() == 0)


async def test_an_orderly_stop_tells_when_to_come_back(new_site: NewSite, connect: Connect) -> None:
    site = await new_site()
    client = await connect(site, "ann")
    stopping = asyncio.create_task(site.gateway.stop())
    code, reason, frames = await client.closed()
    assert (code, reason) == (1012, "restart")
    assert [frame["op"] for frame in frames] == ["reconnect"]
    await stopping
    with pytest.raises(OSError):
        await TcpChannel.open(f"tcp://127.0.0.1:{site.tcp_port}", WAIT_S)


async def test_who_has_reset_before_its_turn_is_no_fault(site: Site) -> None:
    """A load balancer's look at the port: the socket knows no peer any more when it is taken."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        newcomer, address = listening.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    newcomer.setblocking(False)
    before = CONNECTIONS.labels("tcp")._value.get()
    TcpDoor(site.gateway._attendant).take(newcomer, address)
    await until(lambda: newcomer.fileno() == -1)
    assert (faults, CONNECTIONS.labels("tcp")._value.get()) == ([], before)
