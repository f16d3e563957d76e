"""While as many log in as may, newcomers wait outside, and who leaves meanwhile costs nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from http.client import HTTPConnection
from typing import Any

import pytest

from gateway.metrics import GONE
from tests.gateway.conftest import NewSite
from tests.gateway.raw_tcp import RawTcp
from tests.gateway.raw_websocket import RawSocket
from tests.gateway.site import Site, until

LOGIN_S = 10


async def crowded(new_site: NewSite) -> tuple[Site, RawTcp]:
    """A gateway that takes one login at a time, and the one whose login is under way."""
    site = await new_site(max_logins=1)
    site.worker.silent.add("session.open")
    return site, await login_under_way(site)


async def login_under_way(site: Site) -> RawTcp:
    first = await (await RawTcp.open(site)).__aenter__()
    first.write(first.command("login", {"token": site.token("ann"), "terminal": "web"}, "1"))
    await until(lambda: site.worker.count("session.open") == 1)
    return first


def answer(site: Site) -> None:
    """The worker answers those that it was silent about, and whoever comes."""
    site.worker.silent.clear()
    for command in site.worker.seen:
        site.worker.far.send(command.origin, site.worker.answer(command))


@pytest.mark.parametrize("door", [RawSocket, RawTcp], ids=["ws", "tcp"])
async def test_newcomers_wait_and_are_served_in_their_turn(new_site: NewSite, door: type[RawSocket]) -> None:
    site, first = await crowded(new_site)

    async def come(user: str) -> None:
        async with await door.open(site) as newcomer:
            newcomer.write(newcomer.command("login", {"token": site.token(user), "terminal": "web"}, "1"))
            assert (await newcomer.next_text())["op"] == "reply"

    coming = [asyncio.create_task(come(f"user{number}")) for number in range(20)]
    for _ in range(20):  # the gateway turns, and lets nobody in
        first.write(first.framed(b'{"op":"heartbeat"}'))
        assert (await first.next_text())["op"] == "heartbeat"
    assert site.worker.count("session.open") == 1
    answer(site)
    await asyncio.wait_for(asyncio.gather(*coming), LOGIN_S)
    assert site.worker.count("session.open") == 21
    await first.__aexit__(None, None, None)


async def test_who_left_meanwhile_is_dropped_unread(new_site: NewSite) -> None:
    site, first = await crowded(new_site)
    gone = GONE.count
    for number in range(30):
        with socket.create_connection(("127.0.0.1", site.tcp_port)) as leaving:
            leaving.sendall(RawTcp.command("login", {"token": site.token(f"user{number}"), "terminal": "web"}, "1"))
    answer(site)
    async with await RawTcp.open(site) as last:
        last.write(last.command("login", {"token": site.token("zoe"), "terminal": "web"}, "1"))
        assert (await last.next_text())["op"] == "reply"
    assert GONE.count - gone == 30
    assert site.worker.count("session.open") == 2
    await first.__aexit__(None, None, None)


async def test_a_poller_is_told_so_by_the_status(new_site: NewSite) -> None:
    """Its request comes over a connection that nginx has had for long."""
    site = await new_site(max_logins=1)
    connection = HTTPConnection("127.0.0.1", site.port, timeout=LOGIN_S)
    assert (await asyncio.to_thread(asked, connection, "GET", "/healthz"))[0] == 200
    site.worker.silent.add("session.open")
    first = await login_under_way(site)
    login = json.dumps({"token": site.token("bob"), "terminal": "mini"})
    status, again_after_s, body = await asyncio.to_thread(asked, connection, "POST", "/poll/open", login)
    assert (status, body["error"]["code"], body["error"]["retry"]) == (503, "busy", True)
    assert 1 <= again_after_s <= 5
    answer(site)
    assert (await first.next_text())["op"] == "reply"
    assert (await asyncio.to_thread(asked, connection, "POST", "/poll/open", login))[0] == 200
    connection.close()
    await first.__aexit__(None, None, None)


def asked(connection: HTTPConnection, method: str, path: str, body: str | None = None) -> tuple[int, int, Any]:
    """Status, Retry-After in s or 0, body."""
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, int(answer.headers.get("Retry-After", "0")), json.loads(answer.read())
