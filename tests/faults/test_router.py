"""Redis dies, comes back empty, or is emptied, under load."""

from __future__ import annotations

import asyncio
import time

import pytest

from router.interface import RouterAway
from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet

pytestmark = pytest.mark.timeout(120)

ROUTES_WHOLE_S = 10.0
FLOWING_S = 3.0
MESSAGES_WITHOUT_IT = 1000
POLL_S = 0.1


async def test_redis_is_killed(cluster: FaultCluster, fleet: Fleet) -> None:
    """It keeps nothing on disk, so it comes back empty; meanwhile messages flow to every gateway."""
    killed = await asyncio.to_thread(cluster.kill, "redis")
    await fleet.load.goes_on(MESSAGES_WITHOUT_IT)
    await fleet.recovered("kill -9 of Redis: all partitions acknowledge without it", killed, FLOWING_S)
    note("kill -9 of Redis: the longest wait for an acknowledgement", fleet.load.slowest(killed), FLOWING_S)
    back = await asyncio.to_thread(cluster.start, "redis")
    await routes_are_whole(cluster, fleet, "Redis started again, empty: the routes are whole", back)
    await fleet.verdict("kill -9 of Redis")


async def test_redis_is_flushed(cluster: FaultCluster, fleet: Fleet) -> None:
    """Nobody is told that every route is gone: whoever renews a lease finds out."""
    flushed = time.monotonic()
    await asyncio.to_thread(cluster.servers.flush_redis)
    await routes_are_whole(cluster, fleet, "FLUSHALL: the routes are whole", flushed)
    note("FLUSHALL: the longest wait for an acknowledgement", fleet.load.slowest(flushed), FLOWING_S)
    await fleet.verdict("FLUSHALL")


async def routes_are_whole(cluster: FaultCluster, fleet: Fleet, what: str, since: float) -> None:
    """Until Redis knows where each user and each group is, and nothing else."""
    resolver = cluster.resolver()
    while True:
        try:
            address = {lease.id: lease.address for lease in resolver.gateways()}
            known = resolver.resolve(fleet.users, fleet.groups)
        except RouterAway:
            known = ({}, {})
        expected = fleet.whereabouts(address) if len(address) == 2 else None
        seen = tuple({name: set(at) for name, at in part.items()} for part in known)
        if seen == expected:
            break
        assert time.monotonic() - since < 2 * ROUTES_WHOLE_S, f"Redis says {seen}, not {expected}"
        await asyncio.sleep(POLL_S)
    note(what, time.monotonic() - since, ROUTES_WHOLE_S)
