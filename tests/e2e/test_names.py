"""A gateway's name has one holder, whoever starts what: real processes on one Redis (docs/decisions/0015-names.md)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ops.probes import answers_http
from ops.run_environment import our_environment
from protocol.ids import private_conversation
from router.interface import LEASE_S, RENEW_S
from tests.client import Client
from tests.deployments import READY_S, ClusterDeployment, User
from tests.faults.history import Disturbed
from tests.nginx.door import until
from tests.private_servers import ROOT, PrivateServers, free_ports

pytestmark = pytest.mark.slow

ENDS_S = 30.0  # an orderly stop takes its time on a busy machine


class GatewayProcess:
    """One more gateway of a cluster, started by hand."""

    def __init__(self, cluster: ClusterDeployment, name: str, log: Path) -> None:
        ports = free_ports()
        self.port = ports["gateway"]
        self.url = f"ws://127.0.0.1:{self.port}/ws"
        self._log = log
        words = [sys.executable, "-m", "gateway", "--config", str(cluster.config), "--name", name]
        words += ["--port", str(self.port), "--tcp-port", str(ports["tcp"])]
        with log.open("wb") as output:
            self.child = subprocess.Popen(words, env=our_environment(), cwd=ROOT, stdout=output, stderr=output)

    def is_ready(self) -> bool:
        return answers_http(f"http://127.0.0.1:{self.port}/readyz")

    async def ends(self) -> int:
        """Its exit code, once it ends by itself."""
        return await asyncio.to_thread(self.child.wait, ENDS_S)

    def said(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.terminate()
            self.child.wait(ENDS_S)


NewGateway = Callable[[str], GatewayProcess]


@pytest.fixture
async def new_gateway(cluster: ClusterDeployment, tmp_path: Path) -> AsyncIterator[NewGateway]:
    """`new_gateway("g1")` starts one, which is stopped when the test ends."""
    made: list[GatewayProcess] = []

    def start(name: str) -> GatewayProcess:
        made.append(GatewayProcess(cluster, name, tmp_path / f"{len(made)}.log"))
        return made[-1]

    yield start
    await asyncio.gather(*(asyncio.to_thread(gateway.stop) for gateway in made))


async def notes(client: Client, user: User, text: str) -> None:
    """A message of a user to themselves goes up and comes back."""
    conversation = private_conversation(user.id, user.id)
    said = client.spoken(conversation)
    await client.say(conversation, text)
    await client.texts(conversation, *said, text)


def disturbances(client: Client) -> list[str]:
    """Why it had to sync: its login, and whatever else."""
    return [event.reason for event in client.seen.events if isinstance(event, Disturbed)]


def sentence(name: str, port: int) -> str:
    return f"gateway: another gateway named {name} lives, at 127.0.0.1:{port}. Give this one a name of its own (--name)"


async def test_a_second_gateway_of_a_name_ends_at_once_and_nobody_notices(
    cluster: ClusterDeployment, new_gateway: NewGateway
) -> None:
    user = cluster.new_user("alice")
    async with Client(cluster.url("ws"), user.id, user.token) as client:
        started = time.monotonic()
        second = new_gateway("g1")
        assert await second.ends() == 1
        assert time.monotonic() - started < LEASE_S, "a renewal of the first one's lease is enough"
        assert sentence("g1", cluster.ports[0]) in second.said()
        assert "Traceback" not in second.said()
        await asyncio.sleep(RENEW_S + 1)
        await notes(client, user, "still here")
        assert disturbances(client) == ["login"]
    assert "router_lease_lost" not in cluster.process("g1").log.read_text()


async def test_a_gateway_that_stood_still_for_too_long_ends_when_another_has_its_name(
    cluster: ClusterDeployment, new_gateway: NewGateway
) -> None:
    stopped = new_gateway("g9")
    await until(stopped.is_ready, READY_S)
    users = [cluster.new_user("carol"), cluster.new_user("dave")]
    async with Client([stopped.url, cluster.url("ws")], users[0].id, users[0].token) as client:
        os.kill(stopped.child.pid, signal.SIGSTOP)
        successor = new_gateway("g9")
        await until(successor.is_ready, READY_S)
        async with Client(successor.url, users[1].id, users[1].token) as other:
            os.kill(stopped.child.pid, signal.SIGCONT)
            assert await stopped.ends() == 1
            assert sentence("g9", successor.port) in stopped.said()
            assert "gateway_stopped" in stopped.said(), "in order: its clients were sent away"
            await client.until(lambda: client.seen.logins == 2)
            await client.in_step()
            await notes(client, users[0], "elsewhere")
            await notes(other, users[1], "still here")
            assert disturbances(other) == ["login"]
    assert "router_lease_lost" not in successor.said()


async def test_two_clusters_with_the_same_names_share_a_redis(
    cluster: ClusterDeployment, servers: PrivateServers, tmp_path: Path
) -> None:
    with ClusterDeployment(tmp_path, servers).running() as neighbour:
        assert cluster.settings.router.port == neighbour.settings.router.port
        users = [(made, made.new_user("erin")) for made in (cluster, neighbour)]
        for name in ("g1", "g2"):
            before = [made.process(name).log.read_text().count('"refresh"') for made in (cluster, neighbour)]
            await asyncio.sleep(RENEW_S)
            after = [made.process(name).log.read_text().count('"refresh"') for made in (cluster, neighbour)]
            assert after == before
        for made, user in users:
            async with Client(made.url("ws"), user.id, user.token) as client:
                await notes(client, user, "at home")
                assert disturbances(client) == ["login"]
        logs = neighbour.logs() + "".join(cluster.process(name).log.read_text() for name in ("g1", "g2"))
        assert "router_lease_lost" not in logs
