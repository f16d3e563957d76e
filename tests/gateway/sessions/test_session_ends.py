"""A connection ends with its session, whose end is asked for when it comes, and not with its token."""

from __future__ import annotations

import asyncio
import time

import pytest

from protocol.errors import busy
from protocol.tokens import LEEWAY_S, TokenSigner
from tests.gateway.conftest import NewSite
from tests.gateway.site import SECRET, Client, Site, until
from tests.http_calls import api


async def _is_told(client: Client) -> bool:
    """Whether it is told that its session has expired, and closed with 4006."""
    assert await client.closed() == 4006
    return client.frames[-1] == {"op": "kicked", "data": {"reason": "expired"}}


async def test_a_connection_ends_when_its_session_ends(site: Site) -> None:
    site.worker.lasting = {"s1": 300, "s2": 60_000}
    ann, bob = await site.login("ann", "s1"), await site.login("bob", "s2")
    del site.worker.lasting["s1"]
    assert await _is_told(ann)
    assert (await bob.ask("user.get", {"ids": ["x"]}, "2"))["op"] == "reply"
    assert site.worker.count("session.check") == 1


async def test_a_session_that_was_refreshed_meanwhile_lasts_on(site: Site) -> None:
    site.worker.lasting = {"s1": 200}
    ann = await site.login("ann", "s1")
    await until(lambda: site.worker.count("session.check") == 2)
    assert (await ann.ask("user.get", {"ids": ["x"]}, "2"))["op"] == "reply"
    site.worker.lasting = {"s1": 60_000}
    await until(lambda: site.worker.count("session.check") == 3)
    await asyncio.sleep(0.6)
    assert site.worker.count("session.check") == 3
    assert (await ann.ask("user.get", {"ids": ["x"]}, "3"))["op"] == "reply"


async def test_while_nobody_can_tell_it_stays_and_is_asked_for_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.clients.deadlines.SESSION_OVER_AGAIN_S", 0.3)
    site.worker.lasting = {"s1": 200}
    site.worker.refusals["session.check"] = busy()
    ann = await site.login("ann", "s1")
    site.worker.lasting.clear()
    await until(lambda: site.worker.count("session.check") == 2)
    assert (await ann.ask("user.get", {"ids": ["x"]}, "2"))["op"] == "reply"
    site.worker.refusals.clear()
    assert await _is_told(ann)


async def test_many_sessions_that_end_together_are_asked_for_together(new_site: NewSite) -> None:
    site = await new_site(connections_per="unlimited", max_connections_per_user=100)
    site.worker.lasting = {f"s{number}": 1500 for number in range(40)}
    clients = [await site.login(f"u{number}", f"s{number}") for number in range(40)]
    site.worker.lasting.clear()
    assert all([await _is_told(client) for client in clients])
    assert site.worker.count("session.check") <= 12


async def test_a_token_that_runs_out_ends_no_connection(site: Site) -> None:
    issued_ms = time.time_ns() // 1_000_000 - (100 + LEEWAY_S - 2) * 1000
    token, _ = TokenSigner(SECRET, 100).issue("ann", "s1", "web", "d1", issued_ms)
    site.worker.lasting = {"s1": 60_000}
    client = await site.connect()
    assert (await client.ask("login", {"token": token, "terminal": "web"}))["op"] == "reply"
    await until(lambda: time.time_ns() // 1_000_000 > issued_ms + (100 + LEEWAY_S + 1) * 1000)
    late = await site.connect()
    assert (await late.ask("login", {"token": token, "terminal": "pc"}))["data"]["code"] == "unauthenticated"
    assert (await client.ask("user.get", {"ids": ["x"]}, "2"))["op"] == "reply"


async def test_a_call_of_api_does_not_count_on_a_session_beyond_its_end(site: Site) -> None:
    site.worker.lasting = {"s1": 500}
    token = site.token("ann", "s1")
    for _ in range(2):
        assert (await api(site.port, "sync", {"cursors": {}}, token)).status == 200
    assert site.worker.count("session.open") == 1
    site.worker.ended.add("s1")
    await asyncio.sleep(0.6)
    assert (await api(site.port, "sync", {"cursors": {}}, token)).code == "unauthenticated"
