"""Which gateway nginx picks, and what it does when that one fails. The gateways are stubs, Redis and nginx are real."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.nginx.conftest import NewGateways
from tests.nginx.door import Door, until
from tests.nginx.stub_gateway import StubGateway

pytestmark = pytest.mark.servers


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def connect(door: Door, connections: ExitStack, count: int) -> None:
    """Open so many WebSockets, one after another."""
    for _ in range(count):
        connections.enter_context(await asyncio.to_thread(door.upgraded))


async def test_no_gateway_is_busy(door: Door) -> None:
    for path in ("/api/user.get", "/poll/open", "/platform/push.users"):
        answer = await door.post(path)
        assert (answer.status, answer.code, answer.json["error"]["retry"]) == (503, "busy", True)


async def test_connections_are_spread_evenly(door: Door, new_gateways: NewGateways, connections: ExitStack) -> None:
    gateways = await new_gateways("a", "b")
    await connect(door, connections, 100)
    assert [gateway.paths["/ws"] for gateway in gateways] == [50, 50]


async def test_the_lease_tells_who_has_room(door: Door, new_gateways: NewGateways, connections: ExitStack) -> None:
    full, empty = await new_gateways("full", "empty", connections=[30, 0])
    await connect(door, connections, 40)
    assert (full.paths["/ws"], empty.paths["/ws"]) == (5, 35)


async def test_another_deployment_on_the_same_redis_is_not_seen(door: Door, new_gateways: NewGateways) -> None:
    async with StubGateway(door, "ours", "another"), StubGateway(door, "theirs", "another") as theirs:
        (ours,) = await new_gateways("ours")
        for _ in range(10):
            assert (await door.post("/api/user.get")).json == {"gateway": "ours"}
    assert (len(ours.requests), theirs.requests) == (10, [])


async def test_calls_go_to_all_gateways(door: Door, new_gateways: NewGateways) -> None:
    gateways = await new_gateways("a", "b", "c", connections=[0, 1000, 2000])
    for _ in range(120):
        assert (await door.post("/api/user.get")).status == 200
    assert sum(gateway.paths["/api/user.get"] for gateway in gateways) == 120
    assert min(gateway.paths["/api/user.get"] for gateway in gateways) > 15


async def test_a_dead_gateway_costs_no_request_and_is_shunned(
    door: Door, new_gateways: NewGateways, connections: ExitStack
) -> None:
    dead, alive = await new_gateways("dead", "alive", connections=[0, 1000])
    await dead.refuse()
    await connect(door, connections, 5)
    assert alive.paths["/ws"] == 5
    await dead.listen()  # it would be the less loaded one; it lives, but is shunned for 10 s
    await connect(door, connections, 5)
    assert (dead.paths["/ws"], alive.paths["/ws"]) == (0, 10)
    dead.epoch = "e2"  # restarted: forgiven at once
    dead.announce()
    await until(lambda: door.said().count("gateway dead is up") == 2)
    await connect(door, connections, 5)
    assert dead.paths["/ws"] == 5


async def test_all_gateways_refuse_is_busy(door: Door, new_gateways: NewGateways) -> None:
    gateways = await new_gateways("a", "b")
    for gateway in gateways:
        await gateway.refuse()
    answer = await door.post("/api/user.get")
    assert (answer.status, answer.code) == (503, "busy")
    await gateways[0].listen()  # the shunned are better than nobody
    assert (await door.post("/api/user.get")).json == {"gateway": "a"}


async def test_a_post_that_was_sent_is_not_sent_again(door: Door, new_gateways: NewGateways) -> None:
    gateways = await new_gateways("a", "b")
    for gateway in gateways:
        gateway.dies_on_request = True
    answer = await door.post("/api/message.send", b'{"cid":"1"}')
    assert (answer.status, answer.code, answer.json["error"]["retry"]) == (503, "timeout", True)
    assert [body for gateway in gateways for body in gateway.bodies] == [b'{"cid":"1"}']


async def test_a_draining_gateway_takes_no_newcomers(
    door: Door, new_gateways: NewGateways, connections: ExitStack
) -> None:
    leaving, staying = await new_gateways("leaving", "staying", connections=[0, 1000])
    leaving.announce("draining")
    assert await until(lambda: "gateway leaving is draining" in door.said()) < 2.0
    await connect(door, connections, 10)
    for _ in range(10):
        await door.post("/api/user.get")
        await door.post("/poll/open")
    assert (leaving.requests, staying.paths["/ws"]) == ([], 10)
    held = await door.call("GET", "/poll/recv?session=leaving.x&cursor=0")
    assert held.json == {"gateway": "leaving"}


async def test_a_gateway_whose_lease_expired_is_dropped(door: Door, new_gateways: NewGateways) -> None:
    gone, other = await new_gateways("gone", "other")
    gone.withdraw()
    await until(lambda: "gateway gone is gone" in door.said())
    for _ in range(10):
        await door.post("/api/user.get")
    assert (gone.requests, len(other.requests)) == ([], 10)


async def test_a_poll_goes_back_to_its_owner(door: Door, new_gateways: NewGateways) -> None:
    owners = ("a", "b", "c.d")
    await new_gateways(*owners)
    for name in owners:
        for method, verb in (("GET", "recv"), ("POST", "send"), ("POST", "close")):
            answer = await door.call(method, f"/poll/{verb}?session={name}.r4nd-om_&cursor=0", b"[]")
            assert answer.json == {"gateway": name}


async def test_a_session_of_nobody_is_gone(door: Door, new_gateways: NewGateways) -> None:
    (gateway,) = await new_gateways("a")
    for session in ("nobody.x", "a", ".x", "%00", "a%2Ex%2Ey", "a.x.y"):
        answer = await door.call("GET", f"/poll/recv?session={session}")
        assert (answer.status, answer.code, answer.json["error"]["retry"]) == (410, "session_gone", False)
    assert gateway.requests == []
    for query in ("", "?session=", "?cursor=0"):  # any gateway says what is missing
        assert (await door.call("GET", f"/poll/recv{query}")).json == {"gateway": "a"}


async def test_a_session_whose_gateway_is_dead_is_gone(door: Door, new_gateways: NewGateways) -> None:
    dead, other = await new_gateways("dead", "other")
    await dead.refuse()
    for method, verb in (("GET", "recv"), ("POST", "send")):
        answer = await door.call(method, f"/poll/{verb}?session=dead.x", b"[]")
        assert (answer.status, answer.code) == (410, "session_gone")
    assert other.requests == []


async def test_a_poll_that_its_gateway_did_not_answer_has_an_unknown_outcome(
    door: Door, new_gateways: NewGateways
) -> None:
    (gateway,) = await new_gateways("a")
    gateway.dies_on_request = True
    answer = await door.post("/poll/send?session=a.x", b"[]")
    assert (answer.status, answer.code) == (503, "timeout")
    assert gateway.paths["/poll/send"] == 1


async def test_the_last_list_stays_while_redis_is_dead(
    door: Door, new_gateways: NewGateways, connections: ExitStack
) -> None:
    gateways = await new_gateways("a", "b")
    door.redis_server.kill()
    await until(lambda: "redis does not answer" in door.said())
    await connect(door, connections, 10)
    assert [gateway.paths["/ws"] for gateway in gateways] == [5, 5]
    # Back, and empty: the gateways have some seconds to come back, too.
    door.start_redis()
    await until(lambda: "redis answers again" in door.said())
    assert (await door.post("/api/user.get")).status == 200
    for gateway in gateways:
        gateway.announce()
    assert "is gone" not in door.said().rpartition("redis answers again")[2]


async def test_a_worker_that_died_does_not_forget(door: Door, new_gateways: NewGateways) -> None:
    await new_gateways("a")
    door.redis_server.kill()
    await until(lambda: "redis does not answer" in door.said())
    for pid in door.workers():
        os.kill(pid, signal.SIGKILL)
    await until(lambda: door.said().count("exited on signal 9") == 2)
    assert (await door.post("/api/user.get")).json == {"gateway": "a"}
