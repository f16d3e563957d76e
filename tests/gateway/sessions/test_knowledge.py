"""What a gateway knows of its users, and what it does when it may have missed something."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw

from bus import links
from protocol.frames import write_frame
from protocol.models import Answer, Membership, Push, Revocation
from tests.gateway.conftest import NewSite
from tests.gateway.site import Client, Site, until
from tests.http_calls import api

MESSAGE = Raw(write_frame("message", b'{"seq":1}'))
TO_TEAM = Push(MESSAGE, group="team")


async def _ops(site: Site, client: Client) -> list[str]:
    """What came that was not looked at yet, up to the answer to a question asked now."""
    seen = len(client.frames)
    await client.ask("user.get", {"ids": ["x"]}, "last")
    return [frame["op"] for frame in client.frames[seen:-1]]


async def test_a_member_gets_what_is_for_its_group(site: Site) -> None:
    site.worker.groups["ann"] = {"team": 1}
    ann, bob = await site.login("ann"), await site.login("bob")
    assert site.router.resolve([], ["team"])[1] == {"team": [site.address]}
    site.push(TO_TEAM)
    assert await _ops(site, ann) == ["message"]
    assert await _ops(site, bob) == []


async def test_workers_hear_of_a_new_queue_at_once_and_clients_sync(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await site.login("bob")
    site.push(TO_TEAM)
    monkeypatch.setattr(type(site.bus_end), "queue_number", 2)
    site.gateway._bus_changed(True)
    await until(lambda: [lease.queue for lease in site.router.gateways()] == [2])
    await bob.until("resync")
    await bob.ask("user.get", {"ids": ["x"]})
    assert site.worker.seen[-1].queue == 2
    site.push(lost=1)  # to the former queue, before its worker had heard
    await bob.until("resync")


async def test_a_join_registers_the_group_and_has_its_user_sync(site: Site) -> None:
    bob = await site.login("bob")
    site.push(Membership("team", 4, joined=["bob", "somebody elsewhere"]))
    await bob.until("resync")
    assert site.router.resolve([], ["team"])[1] == {"team": [site.address]}
    site.push(TO_TEAM)
    await bob.until("message")


async def test_who_is_removed_gets_the_notice_and_nothing_after(site: Site) -> None:
    site.worker.groups["ann"] = {"team": 1}
    ann = await site.login("ann")
    site.push(TO_TEAM, Membership("team", 4, left=["ann"]), TO_TEAM)
    assert await _ops(site, ann) == ["message"]
    assert not any(site.router.resolve([], ["team"])[1].values())


async def test_a_delta_that_overtakes_the_login_is_not_undone(site: Site) -> None:
    site.worker.groups["ann"] = {"team": 1}
    site.worker.silent.add("session.open")
    ann = await site.connect()
    await ann.send("login", {"token": site.token("ann"), "terminal": "web"})
    await until(lambda: site.worker.count("session.open") == 1)
    answer = site.worker.answer(site.worker.seen[-1])
    site.push(Membership("team", 4, left=["ann"]))
    site.push(answer)
    await ann.until("reply")
    site.push(TO_TEAM)
    assert await _ops(site, ann) == []


async def test_an_ended_session_is_told_and_closed(site: Site) -> None:
    first, second = await site.login("ann", "s1"), await site.login("ann", "s2", terminal="pc")
    site.push(Revocation(["s1", "unknown"], "logged_out"))
    assert await first.closed() == 4006
    assert first.frames[-1] == {"op": "kicked", "data": {"reason": "logged_out"}}
    assert await _ops(site, second) == []


async def test_a_session_that_ends_while_it_is_opened_never_opens(site: Site) -> None:
    site.worker.silent.add("session.open")
    ann = await site.connect()
    await ann.send("login", {"token": site.token("ann", "s1"), "terminal": "web"})
    await until(lambda: site.worker.count("session.open") == 1)
    site.push(Revocation(["s1"], "logged_out"))
    site.push(site.worker.answer(site.worker.seen[-1]))
    assert await ann.closed() == 4006
    assert [frame["op"] for frame in ann.frames] == ["kicked"]


async def test_after_a_hole_it_learns_anew_and_has_everyone_sync(site: Site) -> None:
    site.worker.groups = {"ann": {"team": 1, "old": 1}, "bob": {}}
    ann, bob, cat = [await site.login(user) for user in ("ann", "bob", "cat")]
    site.worker.groups = {"ann": {"team": 1}, "bob": {"team": 7}}
    site.worker.ended.add("s-cat")
    site.push(lost=1)
    await ann.until("resync")
    await bob.until("resync")
    assert await cat.closed() == 4006
    held = site.router.resolve([], ["team", "old"])[1]
    assert held["team"] == [site.address] and not held.get("old")
    site.push(TO_TEAM)
    await bob.until("message")


async def test_between_the_hole_and_the_answer_nothing_is_pushed(site: Site) -> None:
    """It may be for somebody who has left; the resync brings it."""
    site.worker.groups["ann"] = {"team": 1}
    ann = await site.login("ann")
    site.worker.silent.add("session.refresh")
    site.push(TO_TEAM, lost=1)
    site.push(Push(MESSAGE, users=["ann"]))
    await until(lambda: site.worker.count("session.refresh") == 1)
    assert await _ops(site, ann) == []
    site.worker.groups["ann"] = {}
    site.worker.silent.clear()
    site.push(site.worker.answer(site.worker.seen[[c.op for c in site.worker.seen].index("session.refresh")]))
    await ann.until("resync")
    site.push(TO_TEAM)
    assert await _ops(site, ann) == []


async def test_a_refresh_goes_on_until_it_is_answered(new_site: NewSite) -> None:
    site = await new_site(request_timeout_s=0.3)
    ann = await site.login("ann")
    site.worker.silent.add("session.refresh")
    site.push(lost=1)
    await until(lambda: site.worker.count("session.refresh") == 2)
    site.worker.silent.clear()
    await ann.until("resync")


async def test_a_link_that_falls_silent_is_a_hole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = await site.login("ann")
    monkeypatch.setattr(links, "SILENT_AFTER_S", 1.5)
    site.worker.origin = ""  # no beacon any more
    await ann.until("resync")


class TestApi:
    """`/api` remembers which sessions stand, and forgets when that may have changed."""

    async def _ask(self, site: Site) -> int:
        return (await api(site.port, "sync", {"cursors": {}}, site.token("ann", "s1"))).status

    async def test_a_session_is_asked_for_once(self, site: Site) -> None:
        assert [await self._ask(site) for _ in range(3)] == [200] * 3
        assert site.worker.count("session.open") == 1

    @pytest.mark.parametrize("event", ["revocation", "hole", "new broker connection"])
    async def test_it_is_asked_for_again_after_anything_that_may_have_ended_it(self, site: Site, event: str) -> None:
        await self._ask(site)
        site.worker.ended.add("s1")
        assert await self._ask(site) == 200
        if event == "revocation":
            site.push(Revocation(["s1"], "logged_out"))
        elif event == "hole":
            site.push(lost=1)
        else:
            site.gateway._bus_changed(True)
        marker = await site.login("bob")  # what was pushed before has been handled
        await marker.ask("user.get", {"ids": ["x"]})
        assert await self._ask(site) == 401

    async def test_an_answer_on_its_way_is_not_remembered(self, site: Site) -> None:
        """A revocation that comes between the store's answer and ours."""
        site.worker.silent.add("session.open")
        asking = asyncio.create_task(self._ask(site))
        await until(lambda: site.worker.count("session.open") == 1)
        answer = site.worker.answer(site.worker.seen[0])
        assert isinstance(answer, Answer)
        site.push(Revocation(["s1"], "logged_out"), answer)
        await asking
        site.worker.silent.clear()
        site.worker.ended.add("s1")
        assert await self._ask(site) == 401
