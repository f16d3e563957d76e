"""An acknowledged friend request keeps its consequence: the notice arrives once, whatever is killed right then."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

import pytest

from protocol.ids import private_conversation
from store.database import Database
from tests.client import Client
from tests.deployments import Deployment, StandaloneDeployment, User
from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.logic.road import Road, code
from tests.store.rows import emitted_waiting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

ROUNDS = 5
ARRIVES_S = 60.0
POLL_S = 0.05

_numbers = itertools.count(1)


def _people(deployment: Deployment) -> tuple[User, User]:
    return deployment.new_user(f"ann{next(_numbers)}"), deployment.new_user(f"bob{next(_numbers)}")


async def _ask(url: str, user: User, peer: User) -> None:
    """Returns at the acknowledgement."""
    async with Client(url, user.id, user.token) as client:
        assert await client.call("friend.request", {"user": peer.id, "cid": "c1"}) == {}


def _notices(database: Database, ann: User, bob: User) -> list[str]:
    """What bob has been told of ann."""
    with database.reading() as tx:
        rows = tx.rows("SELECT body FROM messages WHERE conversation = %s", (f"s:{bob.id}",))
    return [body for (body,) in rows if ann.id in body]


def _is_settled(database: Database) -> bool:
    with database.reading() as tx:
        return emitted_waiting(tx) == 0


async def _arrived_once(deployment: Deployment, ann: User, bob: User, what: str, since: float) -> None:
    """The notice is there, nothing is on its way any more, and a client that was away has it once."""
    database, until = deployment.database, time.monotonic() + ARRIVES_S
    while not (
        await asyncio.to_thread(_notices, database, ann, bob) and await asyncio.to_thread(_is_settled, database)
    ):
        assert time.monotonic() < until, f"{what}: no notice after {ARRIVES_S:.0f} s"
        await asyncio.sleep(POLL_S)
    note(f"{what}: the notice of a friend request is there", time.monotonic() - since, ARRIVES_S)
    assert len(await asyncio.to_thread(_notices, database, ann, bob)) == 1
    client = Client(deployment.urls("ws")[1], bob.id, bob.token)
    client.start()
    await client.in_step(ARRIVES_S)
    told = [message["body"]["user"] for message in client.seen.timelines[f"s:{bob.id}"]]
    assert told.count(ann.id) == 1
    await client.stop()


def _owner(cluster: FaultCluster, conversation: str) -> str:
    """The worker that commands of a conversation, which had some before, go to now; "" where none says so."""
    partition = cluster.partition(conversation)
    return next((worker for worker in ("w1", "w2") if partition in cluster.held(worker)), "")


async def _people_of_two_owners(cluster: FaultCluster) -> tuple[User, User, str]:
    """Two users, and the owner of the second's notices, which does not own their conversation."""
    while True:
        ann, bob = _people(cluster.deployment)
        carol, _ = _people(cluster.deployment)
        async with Client(cluster.url("g1"), ann.id, ann.token) as client:
            await client.say(private_conversation(ann.id, bob.id), "hello")
        await _ask(cluster.url("g1"), carol, bob)
        until = time.monotonic() + ARRIVES_S
        while not await asyncio.to_thread(_notices, cluster.database, carol, bob):
            assert time.monotonic() < until
            await asyncio.sleep(POLL_S)
        asked = await asyncio.to_thread(_owner, cluster, private_conversation(ann.id, bob.id))
        told = await asyncio.to_thread(_owner, cluster, f"s:{bob.id}")
        if asked and told and asked != told:
            return ann, bob, told


async def test_its_worker_is_killed(cluster: FaultCluster) -> None:
    """The owner of the conversation of the two dies as soon as its answer is there."""
    for _ in range(ROUNDS):
        ann, bob = _people(cluster.deployment)
        owner = "w1" if cluster.partition(private_conversation(ann.id, bob.id)) in cluster.share("w1", "w2") else "w2"
        await _ask(cluster.url("g1"), ann, bob)
        since = await asyncio.to_thread(cluster.kill, owner)
        await _arrived_once(cluster.deployment, ann, bob, f"kill -9 of {owner}", since)
        await asyncio.to_thread(cluster.start, owner)


async def test_the_worker_that_has_taken_the_notice_is_killed(cluster: FaultCluster) -> None:
    """It has the command and does nothing with it; another worker gets it when that one is dead."""
    ann, bob, told = await _people_of_two_owners(cluster)
    cluster.process(told).pause()
    await _ask(cluster.url("g1"), ann, bob)
    assert await asyncio.to_thread(_notices, cluster.database, ann, bob) == []
    since = await asyncio.to_thread(cluster.kill, told)
    await _arrived_once(cluster.deployment, ann, bob, f"kill -9 of {told}, which had the command", since)


async def test_the_broker_is_killed_and_forgets_everything(cluster: FaultCluster) -> None:
    """RabbitMQ comes back without its data: every queue is gone, and the command in it. The store knows of it."""
    ann, bob, told = await _people_of_two_owners(cluster)
    cluster.process(told).pause()
    await _ask(cluster.url("g1"), ann, bob)
    assert await asyncio.to_thread(_notices, cluster.database, ann, bob) == []
    since = await asyncio.to_thread(cluster.wipe_broker)
    await asyncio.to_thread(cluster.process(told).resume)
    await _arrived_once(cluster.deployment, ann, bob, "RabbitMQ killed, its data deleted", since)


async def test_the_broker_and_the_notices_owner_are_killed_together(cluster: FaultCluster) -> None:
    """Neither the queue nor the worker knows anything any more."""
    ann, bob, told = await _people_of_two_owners(cluster)
    cluster.process(told).pause()
    await _ask(cluster.url("g1"), ann, bob)
    await asyncio.to_thread(cluster.kill, told)
    since = await asyncio.to_thread(cluster.wipe_broker)
    await _arrived_once(cluster.deployment, ann, bob, f"RabbitMQ and {told} killed", since)


async def test_standalone_is_killed(tmp_path: Path) -> None:
    """One process, and with it the bus in its memory, again and again: what is owed since the first time is not done
    yet when it dies the next time."""
    with StandaloneDeployment(tmp_path).running() as deployment:
        killed: dict[tuple[User, User], float] = {}
        for _ in range(ROUNDS):
            ann, bob = _people(deployment)
            await _ask(deployment.url("ws"), ann, bob)
            await asyncio.to_thread(deployment.processes[0].kill)
            killed[ann, bob] = time.monotonic()
            await asyncio.to_thread(deployment.start)
        for (ann, bob), since in killed.items():
            await _arrived_once(deployment, ann, bob, "kill -9 of standalone", since)


async def test_standalone_is_killed_between_its_commit_and_all_else(tmp_path: Path) -> None:
    """What the store holds is all there is: the request is committed, and nobody was told anything."""
    with StandaloneDeployment(tmp_path).running() as deployment:
        ann, bob = _people(deployment)
        await asyncio.to_thread(deployment.stop)
        road = Road(deployment.database)
        assert code(road.do("friend.request", ann.id, user=bob.id)) == "ok"
        await asyncio.to_thread(deployment.start)
        since = time.monotonic()
        await _arrived_once(deployment, ann, bob, "standalone killed after its COMMIT", since)
