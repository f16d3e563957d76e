"""One connection a terminal, also when what should say so does not arrive."""

from __future__ import annotations

import asyncio
import time

import pytest

from protocol.ids import private_conversation
from tests.client import Socket
from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet
from tests.faults.test_broker import BURST, TAIL_S, purge

pytestmark = pytest.mark.timeout(120)

REPLACED_S = 2.0


async def test_a_login_while_redis_is_away_replaces_the_one_before(cluster: FaultCluster) -> None:
    alice = cluster.deployment.new_user("alice")
    async with await Socket.logged_in(cluster.url("g1"), alice.token, device="a") as old:
        await asyncio.to_thread(cluster.kill, "redis")
        async with await Socket.logged_in(cluster.url("g2"), alice.token, device="b") as new:
            begun = time.monotonic()
            code, frames = await old.closed()
            note("a login while Redis is away: the one before is closed", time.monotonic() - begun, REPLACED_S)
            assert (code, old.close_reason) == (4006, "replaced")
            assert [frame["op"] for frame in frames] == ["kicked"]
            await asyncio.to_thread(cluster.start, "redis")
            async with await Socket.logged_in(cluster.url("g1"), alice.token, device="a"):
                assert (await new.closed())[0] == 4006


async def test_a_gateway_that_did_not_hear_of_a_login_learns_of_it(cluster: FaultCluster, fleet: Fleet) -> None:
    """What waits for it is dropped while it stands still, the word of the login with it."""
    alice = cluster.deployment.new_user("alice")
    sender, receiver = fleet.pair_across("g1", "g2")
    conversation = private_conversation(sender.seen.user, receiver.seen.user)
    await fleet.load.stop()
    async with await Socket.logged_in(cluster.url("g2"), alice.token, device="a") as old:
        await asyncio.to_thread(cluster.process("g2").pause)
        for number in range(BURST):
            await fleet.load.send(sender, conversation, f"burst {number}")
        async with await Socket.logged_in(cluster.url("g1"), alice.token, device="b") as new:
            assert await asyncio.to_thread(purge, cluster, "g2") > 0
            await asyncio.to_thread(cluster.process("g2").resume)
            resumed = time.monotonic()
            code, _ = await old.closed(within_s=2 * TAIL_S)
            note("a login that a gateway missed: the one before is closed", time.monotonic() - resumed, TAIL_S)
            assert (code, old.close_reason) == (4006, "replaced")
            assert (await new.ask("user.get", {"ids": [alice.id]}))["op"] == "reply"
