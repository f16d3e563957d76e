"""Thousands of logins at once: some are let in, the others are told when their turn is, over every door."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from gateway.admission import SOONEST_S, Admission
from tests.gateway.conftest import NewSite
from tests.gateway.raw_tcp import RawTcp
from tests.gateway.raw_websocket import RawSocket
from tests.gateway.site import Site, until
from tests.http_calls import request

START = 1000.0


def test_so_many_are_let_in_and_for_each_that_ends_another() -> None:
    admission = Admission(2, 100)
    assert [admission.enter() for _ in range(3)] == [True, True, False]
    admission.leave()
    assert [admission.enter(), admission.enter()] == [True, False]


def test_each_of_the_others_gets_a_turn_of_its_own() -> None:
    admission = Admission(1, 100)
    turns = [admission.again_after_s(START + number / 1000) + number / 1000 for number in range(500)]
    assert turns[0] == SOONEST_S
    assert all(later - sooner >= 0.0099 for sooner, later in itertools.pairwise(turns))
    assert turns[-1] == pytest.approx(SOONEST_S + 4.99)


def test_turns_that_are_over_delay_nobody() -> None:
    admission = Admission(1, 100)
    for _ in range(500):
        admission.again_after_s(START)
    assert admission.again_after_s(START + 60) == SOONEST_S


def _answer(site: Site) -> None:
    """Let those in for whom the worker was silent."""
    for command in site.worker.seen:
        site.worker.far.send(command.origin, site.worker.answer(command))


@pytest.mark.parametrize("door", [RawSocket, RawTcp], ids=["ws", "tcp"])
async def test_who_is_one_too_many_is_told_when_to_come_again(new_site: NewSite, door: type[RawSocket]) -> None:
    site = await new_site(max_logins=1)
    site.worker.silent.add("session.open")
    async with await door.open(site) as first, await door.open(site) as second:
        first.write(first.command("login", {"token": site.token("ann"), "terminal": "web"}, "1"))
        await until(lambda: site.worker.count("session.open") == 1)
        second.write(second.command("login", {"token": site.token("bob"), "terminal": "web"}, "1"))
        refusal, reconnect = await second.next_text(), await second.next_text()
        assert (refusal["op"], refusal["id"], refusal["data"]["code"]) == ("error", "1", "busy")
        assert (refusal["data"]["retry"], refusal["data"]["retry_after"]) == (True, 1)
        assert reconnect == {"op": "reconnect", "data": {"after": 1000}}
        assert await second.closed() == 1013
        _answer(site)
        assert (await first.next_text())["op"] == "reply"


async def test_a_poller_is_told_so_by_the_status(new_site: NewSite) -> None:
    site = await new_site(max_logins=1)
    site.worker.silent.add("session.open")
    async with await RawTcp.open(site) as first:
        first.write(first.command("login", {"token": site.token("ann"), "terminal": "web"}, "1"))
        await until(lambda: site.worker.count("session.open") == 1)
        login = json.dumps({"token": site.token("bob"), "terminal": "mini"}).encode()
        headers = {"Content-Type": "application/json"}
        answer = await asyncio.to_thread(request, site.port, "POST", "/poll/open", login, headers)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "busy", "1")
        _answer(site)


async def test_when_a_login_has_ended_the_next_one_is_let_in(new_site: NewSite) -> None:
    site = await new_site(max_logins=1)
    for user in ("ann", "bob", "cat"):
        await site.login(user)
    site.worker.ended.add("s-eve")
    refused = await site.connect()
    login = {"token": site.token("eve"), "terminal": "web", "device": "d1"}
    assert (await refused.ask("login", login))["data"]["code"] == "unauthenticated"
    await site.login("dan")
