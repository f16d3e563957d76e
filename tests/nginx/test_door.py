"""The door before a real cluster: clients of every kind through 8080 and 8081, and gateways that come, go and die."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from protocol.ids import private_conversation
from scripts.components import DOORS, component_process
from scripts.nginx_server import directory_of
from scripts.processes import Process
from tests.client import Client, Socket
from tests.deployments import READY_S, ClusterDeployment, User
from tests.http_calls import api, get
from tests.nginx.door import until
from tests.private_servers import PrivateServers

KINDS = ("ws", "tcp", "poll")


class Through:
    """A cluster and its door."""

    def __init__(self, cluster: ClusterDeployment) -> None:
        self.cluster = cluster
        self.doors = {name: component_process(cluster.settings, cluster.config, name) for name in DOORS}
        nginx = cluster.settings.nginx
        self.port = nginx.port
        self.urls = {
            "ws": f"ws://127.0.0.1:{nginx.port}/ws",
            "poll": f"poll://127.0.0.1:{nginx.port}",
            "tcp": f"tcp://127.0.0.1:{nginx.tcp_port}",
        }

    def start(self) -> None:
        for process in [*self.cluster.processes, *self.doors.values()]:
            process.start()
            process.await_ready(READY_S)

    def stop(self) -> None:
        for process in self.doors.values():
            process.stop()
        self.cluster.close()

    def gateway(self, name: str) -> Process:
        return self.cluster.process(name)

    def connections(self, gateway: str, kind: str) -> int:
        """How many that gateway holds by that door."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.gateway(gateway).port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f'hongyan_connections{{door="{kind}"}} '):
                    return int(float(line.rpartition(" ")[2]))
        return 0

    def said(self, name: str) -> str:
        return self.doors[name].log.read_text()

    def reloads(self) -> int:
        """How often a worker of TCP has left newcomers to another that knows the new list."""
        return self.said("nginx-tcp").count("gracefully shutting down")

    def listed(self) -> str:
        """nginx's list of the gateways of TCP."""
        return (directory_of(self.cluster.settings.var) / "tcp_gateways.conf").read_text()

    def is_listed(self, gateway: str) -> bool:
        return f":{self.cluster.settings.cluster.first_gateway_tcp_port + int(gateway[1:]) - 1} " in self.listed()


@pytest.fixture(scope="module")
def running(servers: PrivateServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Through]:
    cluster = ClusterDeployment(tmp_path_factory.mktemp("through"), servers)
    assert cluster.database  # makes the tables
    made = Through(cluster)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def through(running: Through, servers: PrivateServers) -> Iterator[Through]:
    """All of it up, and both gateways known to the door."""
    servers.up()
    running.start()
    for name in ("g1", "g2"):
        deadline = time.monotonic() + 15
        while not running.is_listed(name):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield running
    assert "[error]" not in running.said("nginx")
    assert "Traceback" not in running.cluster.logs() + running.said("nginx-tcp")


async def open_all(through: Through, stack: AsyncExitStack, kind: str, users: list[User]) -> list[Socket]:
    """A connection for each user, one after another."""
    return [await stack.enter_async_context(await Socket.logged_in(through.urls[kind], user.token)) for user in users]


@pytest.mark.parametrize("kind", KINDS)
async def test_login_and_chat_through_the_door(through: Through, kind: str) -> None:
    alice, bob = through.cluster.new_user("alice"), through.cluster.new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    async with (
        Client(through.urls[kind], alice.id, alice.token) as at_alice,
        Client(through.urls["ws"], bob.id, bob.token) as at_bob,
    ):
        for number in range(10):
            await at_alice.say(conversation, f"a{number}")
            await at_bob.say(conversation, f"b{number}")
        expected = [f"{who}{number}" for number in range(10) for who in "ab"]
        await at_alice.texts(conversation, *expected)
        await at_bob.texts(conversation, *expected)


async def test_api_through_the_door(through: Through) -> None:
    alice = through.cluster.new_user("alice")
    for _ in range(6):
        answer = await api(through.port, "user.get", {"ids": [alice.id]}, alice.token)
        assert answer.data["users"][0]["id"] == alice.id
    assert (await api(through.port, "user.get", {"ids": [alice.id]}, "wrong")).status == 401
    assert (await get(through.port, "/ws")).status == 400
    for path in ("/metrics", "/readyz", "/"):
        assert (await get(through.port, path)).code == "not_found"


async def test_a_poll_session_is_held_by_one_gateway(through: Through) -> None:
    users = [through.cluster.new_user("poll") for _ in range(6)]
    async with AsyncExitStack() as stack:
        sockets = await open_all(through, stack, "poll", users)
        for _ in range(5):
            answers = await asyncio.gather(*(socket.ask("user.get", {"ids": ["x"]}) for socket in sockets))
            assert {answer["op"] for answer in answers} == {"reply"}
        held = [through.connections(name, "poll") for name in ("g1", "g2")]
        assert sum(held) == len(users)
        assert all(held)


@pytest.mark.parametrize(("kind", "count"), [("ws", 200), ("tcp", 100)])
async def test_the_gateways_share_evenly(through: Through, kind: str, count: int) -> None:
    users = [through.cluster.new_user("many") for _ in range(count)]
    before = [through.connections(name, kind) for name in ("g1", "g2")]
    async with AsyncExitStack() as stack:
        for start in range(0, count, 20):
            slice_of = users[start : start + 20]
            opened = await asyncio.gather(*(Socket.logged_in(through.urls[kind], user.token) for user in slice_of))
            for socket in opened:
                await stack.enter_async_context(socket)
        held = [through.connections(name, kind) - b for name, b in zip(("g1", "g2"), before, strict=True)]
        assert sum(held) == count
        assert max(held) - min(held) <= count // 10, held


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_gateway_costs_no_newcomer(through: Through, kind: str) -> None:
    users = [through.cluster.new_user("late") for _ in range(20)]
    through.gateway("g1").kill()
    killed = time.monotonic()
    async with AsyncExitStack() as stack:
        await open_all(through, stack, kind, users)
        assert time.monotonic() - killed < 20 * 3.0
        assert through.connections("g2", kind) >= 20


async def test_a_killed_gateways_clients_are_back_elsewhere(through: Through) -> None:
    names = {kind: through.cluster.new_user(kind) for kind in KINDS}
    async with AsyncExitStack() as stack:
        clients = {
            kind: await stack.enter_async_context(Client(through.urls[kind], user.id, user.token))
            for kind, user in names.items()
        }
        through.gateway("g1").kill()
        killed = time.monotonic()
        for kind, client in clients.items():
            notes = private_conversation(names[kind].id, names[kind].id)
            await client.say(notes, "still here")
            await client.texts(notes, "still here")
        assert time.monotonic() - killed < 10.0


async def test_a_draining_gateway_gets_no_newcomers_within_2_s(through: Through) -> None:
    pid = through.gateway("g1").pid
    assert pid is not None
    os.kill(pid, signal.SIGUSR1)
    took = await until(lambda: "gateway g1 is draining" in through.said("nginx").rpartition("g1 is up")[2])
    took = max(took, await until(lambda: not through.is_listed("g1")))
    assert took < 2.0
    users = [through.cluster.new_user("newcomer") for _ in range(10)]
    async with AsyncExitStack() as stack:
        before = {kind: through.connections("g1", kind) for kind in KINDS}
        for kind in KINDS:
            await open_all(through, stack, kind, [through.cluster.another_session(user.id) for user in users])
        assert {kind: through.connections("g1", kind) for kind in KINDS} == before
    await asyncio.to_thread(through.gateway("g1").stop)


async def test_redis_dead_changes_nothing_for_newcomers(through: Through, servers: PrivateServers) -> None:
    servers.kill("redis")
    await until(lambda: "redis does not answer" in through.said("nginx").rpartition("redis answers again")[2])
    users = [through.cluster.new_user(kind) for kind in KINDS]
    for kind, user in zip(KINDS, users, strict=True):
        async with Client(through.urls[kind], user.id, user.token) as client:
            notes = private_conversation(user.id, user.id)
            await client.say(notes, "without redis")
            await client.texts(notes, "without redis")
    assert through.is_listed("g1")
    assert through.is_listed("g2")


@pytest.mark.parametrize("name", DOORS)
def test_a_door_that_crashed_is_started_again(through: Through, name: str) -> None:
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


async def test_no_token_is_in_any_log(through: Through) -> None:
    users = [through.cluster.new_user("secret") for _ in KINDS]
    for kind, user in zip(KINDS, users, strict=True):
        async with await Socket.logged_in(through.urls[kind], user.token) as socket:
            await socket.ask("user.get", {"ids": ["x"]})
    await asyncio.to_thread(through.doors["nginx"].stop)
    await asyncio.to_thread(through.doors["nginx-tcp"].stop)
    written = [path.read_text() for path in directory_of(through.cluster.settings.var).glob("*.log")]
    text = "".join([*written, through.said("nginx"), through.said("nginx-tcp")])
    assert '"path":"/ws"' in text
    assert all(user.token not in text for user in users)
    assert "session=" not in text
    assert all(json.loads(line) for log in written for line in log.splitlines())


async def test_a_gateway_that_hangs_gets_no_newcomers_once_its_lease_ran_out(through: Through) -> None:
    reloads = through.reloads()
    through.gateway("g1").pause()
    try:
        took = await until(lambda: "gateway g1 is gone" in through.said("nginx").rpartition("g1 is up")[2], 20.0)
        assert took < 14.0  # a lease stands for 10 s
        await until(lambda: not through.is_listed("g1") and through.reloads() > reloads, 10.0)
        users = [through.cluster.new_user("newcomer") for _ in range(5)]
        async with AsyncExitStack() as stack:
            for kind in KINDS:
                await open_all(through, stack, kind, [through.cluster.another_session(user.id) for user in users])
    finally:
        through.gateway("g1").resume()
