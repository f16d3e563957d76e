"""Transient pushes: for readers that keep up, dropped for those that do not, never why one is closed. Real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw

from gateway.clients.connection import Connection
from gateway.metrics import CLOSES, FRAMES_OUT, TRANSIENTS_DROPPED
from protocol.frames import write_frame
from protocol.models import Push
from tests.gateway.conftest import NewSite
from tests.gateway.raw_tcp import RawTcp
from tests.gateway.raw_websocket import RawSocket
from tests.gateway.site import Site, until
from tests.http_calls import request

SOCKETS = pytest.mark.parametrize("door", [RawSocket, RawTcp], ids=["ws", "tcp"])
MAX_QUEUED_BYTES = 1000  # less than one of these frames: even a single one would be too much, if it counted
FILLING = "x" * 8000
MANY = 3000
HEADERS = {"Content-Type": "application/json"}


def typing(number: int, **to: Any) -> Push:
    frame = Raw(write_frame("typing", b'{"number":%d,"filling":"%b"}' % (number, FILLING.encode())))
    return Push(frame, transient=True, **({"users": ["ann"]} | to))


def slow_consumers() -> float:
    return CLOSES.labels("4010")._value.get()


def connection_of(site: Site, user: str) -> Connection:
    (connection,) = site.gateway._hub.of_user(user)
    return connection


async def push_until_stuck(site: Site, connection: Connection) -> int:
    """Push one after the other to a client that reads nothing until the kernel takes no more: how many were pushed."""
    pushed = 0
    while not connection.wire.queued_bytes:
        written = FRAMES_OUT.count
        site.push(typing(pushed))
        while FRAMES_OUT.count == written:
            await asyncio.sleep(0)
        pushed += 1
    return pushed


@SOCKETS
@pytest.mark.parametrize("to", [{"users": ["ann"]}, {"users": [], "group": "team"}], ids=["user", "group"])
async def test_an_idle_reader_gets_every_one(site: Site, door: type[RawSocket], to: dict[str, Any]) -> None:
    site.worker.groups["ann"] = {"team": 1}
    async with await door.open(site, "ann") as raw:
        for number in range(20):
            site.push(typing(number, **to))
            assert (await raw.next_text())["data"]["number"] == number


@SOCKETS
async def test_a_slow_reader_loses_them_and_nothing_else(new_site: NewSite, door: type[RawSocket]) -> None:
    site = await new_site(max_queued_bytes=MAX_QUEUED_BYTES)
    closes, other = slow_consumers(), await site.login("bob")
    async with await door.open(site, "ann", is_narrow=True) as raw:
        raw.stop_reading()
        connection = connection_of(site, "ann")
        pushed = await push_until_stuck(site, connection)
        stuck_bytes, dropped = connection.wire.queued_bytes, TRANSIENTS_DROPPED.count
        for number in range(pushed, pushed + MANY):
            site.push(typing(number))
        site.push(typing(0, users=["bob"]))
        await other.until("typing")  # it was pushed last, so all that came before has been handled
        assert TRANSIENTS_DROPPED.count - dropped == MANY
        assert connection.wire.queued_bytes == stuck_bytes and not connection.outbox
        raw.read_on()
        got = [(await raw.next_text())["data"]["number"] for _ in range(pushed)]
        assert got == list(range(pushed))
        await until(lambda: not connection.wire.queued_bytes)
        site.push(typing(pushed))
        assert (await raw.next_text())["data"]["number"] == pushed
        raw.write(raw.command("sync", {"cursors": {}}, "1"))
        assert (await raw.next_text())["op"] == "reply"
    assert slow_consumers() == closes


@SOCKETS
async def test_who_does_not_take_messages_is_closed_all_the_same(new_site: NewSite, door: type[RawSocket]) -> None:
    site = await new_site(max_queued_bytes=MAX_QUEUED_BYTES, slow_s=0.5)
    closes = slow_consumers()
    async with await door.open(site, "ann", is_narrow=True) as raw:
        raw.stop_reading()
        await push_until_stuck(site, connection_of(site, "ann"))
        site.push(Push(Raw(write_frame("message", b'{"filling":"%b"}' % FILLING.encode())), users=["ann"]))
        await until(lambda: slow_consumers() == closes + 1)
        raw.read_on()
        assert await raw.closed() == 4010


async def test_a_session_between_polls_keeps_one(new_site: NewSite) -> None:
    site = await new_site(max_queued_bytes=MAX_QUEUED_BYTES)
    closes = slow_consumers()
    login = json.dumps({"token": site.token("ann"), "terminal": "mini"}).encode()
    opened = await asyncio.to_thread(request, site.port, "POST", "/poll/open", login, HEADERS)
    session = json.loads(opened.body)["session"]

    async def poll(cursor: int) -> Any:
        path = f"/poll/recv?session={session}&cursor={cursor}"
        return json.loads((await asyncio.to_thread(request, site.port, "GET", path)).body)

    dropped = TRANSIENTS_DROPPED.count
    for number in range(MANY):
        site.push(typing(number))
    await until(lambda: TRANSIENTS_DROPPED.count - dropped == MANY - 1)
    first = await poll(0)
    assert [frame["data"]["number"] for frame in first["frames"]] == [0]
    polling = asyncio.create_task(poll(first["cursor"]))
    await until(lambda: site.polls.find(session).wire.is_waited_on)
    site.push(typing(MANY))
    assert [frame["data"]["number"] for frame in (await polling)["frames"]] == [MANY]
    assert slow_consumers() == closes
