"""Sockets of HTTP that ask for nothing: they count against the limits, and give way to whoever asks."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.gateway.conftest import NewSite
from tests.gateway.site import WAIT_S, Site, until
from tests.http_calls import get

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def sockets(site: Site) -> Any:
    return site.gateway._http._sockets


async def connect(stack: AsyncExitStack, site: Site, count: int) -> list[Peer]:
    """So many connections that ask for nothing."""
    peers = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(count)]
    for _, writer in peers:
        stack.callback(writer.close)
    return peers


async def test_idle_http_connections_count_and_the_longest_idle_gives_way(new_site: NewSite) -> None:
    site = await new_site(max_connections=10)
    async with AsyncExitStack() as stack:
        peers = await connect(stack, site, 10)
        await until(lambda: len(sockets(site)) == 10)
        peers += await connect(stack, site, 15)
        for reader, _ in peers[:15]:
            assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
        assert len(sockets(site)) == 10
        assert (await get(site.port, "/healthz")).status == 200
        client = await site.login("ann")
        assert (await client.ask("sync", {"cursors": {}}))["op"] == "reply"


async def who_takes_no_answers(stack: AsyncExitStack, site: Site) -> socket.socket:
    """A peer that asks without end and reads nothing, behind kernels that keep little of what it leaves."""
    for *_, listener in site.gateway._doors._listeners:
        listener._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    peer = stack.enter_context(socket.socket())
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", site.port))
    peer.setblocking(False)
    await until(lambda: len(sockets(site)) == 1)
    peer.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
    await until(lambda: any(stream.writing() for stream in sockets(site)._idle))
    return peer


async def test_who_takes_no_answers_gives_way(new_site: NewSite) -> None:
    site = await new_site(max_connections=1)
    async with AsyncExitStack() as stack:
        await who_takes_no_answers(stack, site)
        assert (await get(site.port, "/healthz")).status == 200


async def test_an_answer_that_is_not_taken_is_not_kept_for_ever(
    new_site: NewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.doors.http.sockets.TAKEN_WITHIN_S", 0.3)
    site = await new_site()
    async with AsyncExitStack() as stack:
        await who_takes_no_answers(stack, site)
        await until(lambda: len(sockets(site)) == 0)


async def test_who_waits_for_an_answer_does_not_give_way(new_site: NewSite) -> None:
    site = await new_site(max_connections=2, request_timeout_s=3)
    site.worker.silent.add("account.login")
    body = b'{"username":"ann","password":"x"}'
    ask = b"POST /api/account.login HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with AsyncExitStack() as stack:
        peers = await connect(stack, site, 2)
        for _, writer in peers:
            writer.write(ask)
        await until(lambda: site.worker.count("account.login") == 2)
        ((reader, _),) = await connect(stack, site, 1)
        refusal = await asyncio.wait_for(reader.read(), WAIT_S)
        assert refusal.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") and b'"code":"busy"' in refusal
        assert b"\r\nX-Request-Id: " in refusal and b"\r\nRetry-After: 5\r\n" in refusal
        for reader, _ in peers:
            assert b'"code":"timeout"' in await asyncio.wait_for(reader.readuntil(b"}}"), WAIT_S)


async def test_an_address_has_so_many_idle_connections(new_site: NewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = await new_site(max_connections_per_address=3)
    monkeypatch.setattr(type(site.gateway._http._sockets._addresses), "of", lambda *_: "192.0.2.7")
    async with AsyncExitStack() as stack:
        kept = await connect(stack, site, 3)
        await until(lambda: len(sockets(site)) == 3)
        ((reader, _),) = await connect(stack, site, 1)
        assert (await asyncio.wait_for(reader.read(), WAIT_S)).startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        kept[0][1].close()
        await until(lambda: len(sockets(site)) == 2)
        assert (await get(site.port, "/healthz")).status == 200


async def test_a_web_socket_is_no_http_socket_any_more(new_site: NewSite) -> None:
    site = await new_site(max_connections=1)
    client = await site.login("ann")
    await until(lambda: len(sockets(site)) == 0)
    assert (await get(site.port, "/healthz")).status == 200
    await client.socket.close()
    await until(lambda: len(sockets(site)) == 0)
