"""RabbitMQ dies under load, and what was on its way in it is lost."""

from __future__ import annotations

import asyncio
import time

import pika
import pytest
from hongyan.connection import Lost, Refused

from bus import queues
from protocol.ids import private_conversation
from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet

pytestmark = pytest.mark.timeout(150)

BACK_S = 30.0
TAIL_S = 10.0
BURST = 80  # more batches than a gateway takes in before it acknowledges some


async def test_rabbitmq_is_killed(cluster: FaultCluster, fleet: Fleet) -> None:
    """Nothing is written any more when it dies: nobody would notice the lost tail by a later message."""
    await fleet.load.stop()
    await asyncio.to_thread(cluster.kill, "rabbitmq")
    back = await asyncio.to_thread(cluster.start, "rabbitmq")
    await fleet.load.answered(BACK_S)
    note("RabbitMQ started again: what had no answer has one", time.monotonic() - back, BACK_S)
    note("RabbitMQ started again: then the lost tail is repaired", await fleet.caught_up(2 * TAIL_S), TAIL_S)
    again = time.monotonic()
    fleet.load.start()
    await fleet.recovered("RabbitMQ started again: all partitions acknowledge", again, BACK_S)
    await fleet.verdict("kill -9 of RabbitMQ, a tail lost")


async def test_members_are_removed_while_rabbitmq_restarts(cluster: FaultCluster, fleet: Fleet) -> None:
    """They are pushed nothing that was committed after their removal: neither by a gateway that was told of it, nor by
    one that comes back to the broker only when it is long past."""
    group, (owner, early, _, late, _, just_now, _, later, last) = next(iter(fleet.groups.items()))
    for user in (early, just_now, late, later, last):
        fleet.silence(user)
    await remove(fleet, group, owner, early)
    await fleet.load.goes_on(200)
    await remove(fleet, group, owner, just_now)
    await asyncio.to_thread(cluster.kill, "rabbitmq")
    await asyncio.to_thread(cluster.process("g2").pause)
    removing = [asyncio.create_task(remove(fleet, group, owner, user)) for user in (late, later, last)]
    back = await asyncio.to_thread(cluster.start, "rabbitmq")
    await asyncio.gather(*removing)
    note("RabbitMQ started again under load: members removed meanwhile are", time.monotonic() - back, BACK_S)
    await fleet.load.goes_on(200)
    await asyncio.to_thread(cluster.process("g2").resume)
    resumed = time.monotonic()
    await fleet.recovered("RabbitMQ and then a gateway back: all partitions acknowledge", resumed, BACK_S)
    await fleet.load.goes_on(400)
    await fleet.verdict("kill -9 of RabbitMQ under load, members removed")


async def test_the_tail_of_a_burst_is_lost(cluster: FaultCluster, fleet: Fleet) -> None:
    """A gateway's queue is emptied while it stands still, and nothing is sent afterwards."""
    await fleet.load.stop()
    await fleet.load.answered(BACK_S)
    await fleet.caught_up(TAIL_S)
    sender, receiver = fleet.pair_across("g1", "g2")
    conversation = private_conversation(sender.seen.user, receiver.seen.user)
    await asyncio.to_thread(cluster.process("g2").pause)
    for number in range(BURST):
        await fleet.load.send(sender, conversation, f"burst {number}")
    dropped = await asyncio.to_thread(purge, cluster, "g2")
    await asyncio.to_thread(cluster.process("g2").resume)
    assert dropped > 0, "the end of the burst was in the queue"
    note("the tail of a burst is dropped: it is repaired", await fleet.caught_up(2 * TAIL_S), TAIL_S)
    await fleet.verdict("the tail of a burst is dropped")


async def remove(fleet: Fleet, group: str, owner: str, user: str) -> None:
    """Remove a member, trying under the same cid until there is an answer."""
    while True:
        try:
            await fleet.of(owner).call("group.remove", {"group": group, "users": [user], "cid": f"remove-{user}"})
            return
        except (Refused, Lost) as again:
            assert isinstance(again, Lost) or again.retry, again
            await asyncio.sleep(0.05)


def purge(cluster: FaultCluster, gateway: str) -> int:
    """Drop what waits in a gateway's queue and was not handed to it yet; how many messages that were."""
    bus = cluster.settings.bus
    credentials = pika.PlainCredentials(bus.user, bus.password)
    (queue,) = [queues.gateway(g.address, g.queue) for g in cluster.resolver().gateways() if g.id == gateway]
    with pika.BlockingConnection(
        pika.ConnectionParameters(bus.host, bus.port, bus.virtual_host, credentials)
    ) as connection:
        return int(connection.channel().queue_purge(queue).method.message_count)
