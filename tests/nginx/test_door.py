"""The door before a real cluster: who comes in through 8080 and 8081 goes where, and gateways that come, go and die.

What clients do there is in tests/e2e.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from hongyan.doors import DOORS

from ops.cluster.components import DOORS as NGINX
from ops.processes import UP
from ops.servers.nginx import directory_of
from protocol.ids import private_conversation
from tests.client import Client, Socket
from tests.deployments import READY_S, ClusterDeployment, User
from tests.http_calls import api, get
from tests.nginx.door import until
from tests.private_servers import PrivateServers
from tests.through_door import GATEWAYS, ThroughDoor


@pytest.fixture(scope="module")
def running(servers: PrivateServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThroughDoor]:
    cluster = ClusterDeployment(tmp_path_factory.mktemp("through"), servers)
    made = ThroughDoor(cluster)
    try:
        made.start()
        yield made
    finally:
        made.close()
        cluster.close()


@pytest.fixture
def through(running: ThroughDoor, servers: PrivateServers) -> Iterator[ThroughDoor]:
    """All of it up, and both gateways known to the door."""
    servers.up()
    for name in GATEWAYS:
        if running.gateway(name).state != UP:
            running.cluster.forget_lease(name)
    running.start()
    yield running
    assert "[error]" not in running.said("nginx")
    assert "Traceback" not in running.logs()


async def open_all(through: ThroughDoor, stack: AsyncExitStack, kind: str, users: list[User]) -> list[Socket]:
    """A connection for each user, one after another."""
    return [await stack.enter_async_context(await Socket.logged_in(through.url(kind), user.token)) for user in users]


async def test_api_through_the_door(through: ThroughDoor) -> None:
    alice = through.new_user("alice")
    for _ in range(6):
        answer = await api(through.ports[0], "user.get", {"ids": [alice.id]}, alice.token)
        assert answer.data["users"][0]["id"] == alice.id
    assert (await api(through.ports[0], "user.get", {"ids": [alice.id]}, "wrong")).status == 401
    assert (await get(through.ports[0], "/ws")).status == 400
    for path in ("/metrics", "/readyz", "/"):
        assert (await get(through.ports[0], path)).code == "not_found"


async def test_a_poll_session_is_held_by_one_gateway(through: ThroughDoor) -> None:
    users = [through.new_user("poll") for _ in range(6)]
    async with AsyncExitStack() as stack:
        sockets = await open_all(through, stack, "poll", users)
        for _ in range(5):
            answers = await asyncio.gather(*(socket.ask("user.get", {"ids": ["x"]}) for socket in sockets))
            assert {answer["op"] for answer in answers} == {"reply"}
        held = [through.connections(name, "poll") for name in ("g1", "g2")]
        assert sum(held) == len(users)
        assert all(held)


@pytest.mark.parametrize(("kind", "count"), [("ws", 200), ("tcp", 100)])
async def test_the_gateways_share_evenly(through: ThroughDoor, kind: str, count: int) -> None:
    """As far as nginx can tell: of the newcomers of the second before a lease was renewed it does not know whether the
    lease holds them (nginx/lua/known.lua), and these come within two or three seconds."""
    users = [through.new_user("many") for _ in range(count)]
    before = [through.connections(name, kind) for name in ("g1", "g2")]
    async with AsyncExitStack() as stack:
        for start in range(0, count, 20):
            slice_of = users[start : start + 20]
            opened = await asyncio.gather(*(Socket.logged_in(through.url(kind), user.token) for user in slice_of))
            for socket in opened:
                await stack.enter_async_context(socket)
        held = [through.connections(name, kind) - b for name, b in zip(("g1", "g2"), before, strict=True)]
        assert sum(held) == count
        assert max(held) - min(held) <= count // 5, held


@pytest.mark.parametrize("kind", DOORS)
async def test_a_killed_gateway_costs_no_newcomer(through: ThroughDoor, kind: str) -> None:
    """Nor does it after it was started again, while it waits for its name: it does not listen yet."""
    users = [through.new_user("late") for _ in range(20)]
    g1 = through.gateway("g1")
    waits = g1.log.read_text().count("router_name_held")
    g1.kill()
    async with AsyncExitStack() as stack:
        for number, user in enumerate(users):
            if number == len(users) // 2:
                g1.start()
                await until(lambda: g1.log.read_text().count("router_name_held") > waits)
            began = time.monotonic()
            await open_all(through, stack, kind, [user])
            assert time.monotonic() - began < 3.0
        assert through.connections("g2", kind) >= 20


async def test_a_killed_gateways_clients_are_back_elsewhere(through: ThroughDoor) -> None:
    names = {kind: through.new_user(kind) for kind in DOORS}
    async with AsyncExitStack() as stack:
        clients = {
            kind: await stack.enter_async_context(Client(through.url(kind), user.id, user.token))
            for kind, user in names.items()
        }
        through.gateway("g1").kill()
        killed = time.monotonic()
        for kind, client in clients.items():
            notes = private_conversation(names[kind].id, names[kind].id)
            await client.say(notes, "still here")
            await client.texts(notes, "still here")
        assert time.monotonic() - killed < 10.0


async def test_a_draining_gateway_gets_no_newcomers_within_2_s(through: ThroughDoor) -> None:
    pid = through.gateway("g1").pid
    assert pid is not None
    os.kill(pid, signal.SIGUSR1)
    took = await until(lambda: "gateway g1 is draining" in through.said("nginx").rpartition("g1 is up")[2])
    took = max(took, await until(lambda: not through.is_listed("g1")))
    assert took < 2.0
    users = [through.new_user("newcomer") for _ in range(10)]
    async with AsyncExitStack() as stack:
        before = {kind: through.connections("g1", kind) for kind in DOORS}
        for kind in DOORS:
            await open_all(through, stack, kind, [through.another_session(user.id) for user in users])
        assert {kind: through.connections("g1", kind) for kind in DOORS} == before
    await asyncio.to_thread(through.gateway("g1").stop)


async def test_redis_dead_changes_nothing_for_newcomers(through: ThroughDoor, servers: PrivateServers) -> None:
    servers.kill("redis")
    await until(lambda: "redis does not answer" in through.said("nginx").rpartition("redis answers again")[2])
    users = [through.new_user(kind) for kind in DOORS]
    for kind, user in zip(DOORS, users, strict=True):
        async with Client(through.url(kind), user.id, user.token) as client:
            notes = private_conversation(user.id, user.id)
            await client.say(notes, "without redis")
            await client.texts(notes, "without redis")
    assert through.is_listed("g1")
    assert through.is_listed("g2")


@pytest.mark.parametrize("name", NGINX)
def test_a_door_that_crashed_is_started_again(through: ThroughDoor, name: str) -> None:
    """Only the first process is killed: its workers would hold the port."""
    process = through.doors[name]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while process.pid is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.stop()
    process.start()
    process.await_ready(READY_S)


async def test_no_token_is_in_any_log(through: ThroughDoor) -> None:
    users = [through.new_user("secret") for _ in DOORS]
    for kind, user in zip(DOORS, users, strict=True):
        async with await Socket.logged_in(through.url(kind), user.token) as socket:
            await socket.ask("user.get", {"ids": ["x"]})
    await asyncio.to_thread(through.doors["nginx"].stop)
    await asyncio.to_thread(through.doors["nginx-tcp"].stop)
    written = [path.read_text() for path in directory_of(through.settings.var).glob("*.log")]
    text = "".join([*written, through.said("nginx"), through.said("nginx-tcp")])
    assert '"path":"/ws"' in text
    assert all(user.token not in text for user in users)
    assert "session=" not in text
    assert all(json.loads(line) for log in written for line in log.splitlines())


@pytest.mark.slow
async def test_a_gateway_that_hangs_gets_no_newcomers_once_its_lease_ran_out(through: ThroughDoor) -> None:
    reloads = through.reloads()
    through.gateway("g1").pause()
    try:
        took = await until(lambda: "gateway g1 is gone" in through.said("nginx").rpartition("g1 is up")[2], 20.0)
        assert took < 14.0  # a lease stands for 10 s
        await until(lambda: not through.is_listed("g1") and through.reloads() > reloads, 10.0)
        users = [through.new_user("newcomer") for _ in range(5)]
        async with AsyncExitStack() as stack:
            for kind in DOORS:
                await open_all(through, stack, kind, [through.another_session(user.id) for user in users])
    finally:
        through.gateway("g1").resume()
