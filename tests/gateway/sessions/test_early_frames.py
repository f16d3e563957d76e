"""Frames right behind the login frame: they wait for it, in order, and take no more memory than one read brings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from protocol.errors import unauthenticated
from tests.gateway.conftest import NewSite
from tests.gateway.raw_tcp import RawTcp
from tests.gateway.raw_websocket import RawSocket
from tests.gateway.site import Frame, Site, until

Door = type[RawSocket]
BOTH = pytest.mark.parametrize("door", [RawSocket, RawTcp], ids=["ws", "tcp"])


def login(site: Site) -> dict[str, Any]:
    return {"token": site.token("ann"), "terminal": "web", "device": "d1"}


def asks(door: Door, count: int) -> bytes:
    return b"".join(door.command("sync", {"cursors": {f"p:ann:u{n}": n}}, str(n)) for n in range(count))


async def answers(raw: RawSocket, count: int) -> list[Frame]:
    return [await raw.next_text() for _ in range(count)]


@BOTH
async def test_frames_right_behind_the_login_wait_for_it_and_are_handled_in_order(site: Site, door: Door) -> None:
    async with await door.open(site) as raw:
        raw.write(door.command("login", login(site), "login") + asks(door, 20))
        replied = await answers(raw, 21)
    assert [frame["id"] for frame in replied] == ["login", *(str(n) for n in range(20))]
    assert {frame["op"] for frame in replied} == {"reply"}
    asked = [command.data for command in site.worker.seen if command.op == "sync"]
    assert [f"u{n}" in bytes(data).decode() for n, data in enumerate(asked)] == [True] * 20
    assert {command.sender.user for command in site.worker.seen} == {"ann"}


@BOTH
async def test_more_than_the_pending_limit_behind_a_login_is_busy(new_site: NewSite, door: Door) -> None:
    site = await new_site(max_pending_per_connection=5, message_burst=100)
    async with await door.open(site) as raw:
        raw.write(door.command("login", login(site), "login") + asks(door, 8))
        replied = {frame["id"]: frame for frame in await answers(raw, 9)}
    assert [replied[str(n)]["op"] for n in range(8)] == ["reply"] * 5 + ["error"] * 3
    assert {replied[str(n)]["data"]["code"] for n in range(5, 8)} == {"busy"}


@BOTH
async def test_what_waits_for_a_login_that_is_refused_is_never_carried_out(site: Site, door: Door) -> None:
    site.worker.refusals["session.open"] = unauthenticated()
    async with await door.open(site) as raw:
        raw.write(door.command("login", login(site), "login") + asks(door, 3))
        assert await raw.closed() == 4004
    assert site.worker.count("sync") == 0


@BOTH
async def test_nothing_more_is_read_while_frames_wait_for_a_login(new_site: NewSite, door: Door) -> None:
    """However much is sent before the login is answered, the gateway holds what one read has brought."""
    site = await new_site(message_burst=10_000, request_timeout_s=3)
    site.worker.silent.add("session.open")
    async with await door.open(site, is_narrow=True) as raw:
        raw.write(door.command("login", login(site), "login"))
        await until(lambda: site.worker.count("session.open") == 1)
        raw.write(door.command("user.update", {"bio": "x" * 1000}, "n") * 8_000)
        (connection,) = site.gateway._hub.connections.values()
        await until(lambda: bool(connection.early))
        held = len(connection.early or ())
        raw.write(asks(door, 1))
        assert await until_steady(connection) <= held + 64
        assert raw.unsent_bytes > 0


async def until_steady(connection: Any) -> int:
    """How many frames wait once no more have come for a while."""
    count = -1
    while count != len(connection.early):
        count = len(connection.early)
        await asyncio.sleep(0.2)
    return count


async def test_a_heartbeat_is_answered_while_the_login_is_under_way(new_site: NewSite) -> None:
    site = await new_site(request_timeout_s=1)
    site.worker.silent.add("session.open")
    async with await RawSocket.open(site) as raw:
        raw.write(RawSocket.command("login", login(site), "login") + RawSocket.command("heartbeat", {}, "b"))
        beat = await raw.next_text()
    assert (beat["op"], beat["id"]) == ("heartbeat", "b")
