"""A gateway that dies under load."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet

pytestmark = pytest.mark.timeout(120)


async def test_a_gateway_is_killed(cluster: FaultCluster, fleet: Fleet) -> None:
    """Its clients go to the other one; what they had no answer to is sent again there."""
    away = [client for client in fleet.clients if fleet.gateway_of(client) == "g1"]
    killed = await asyncio.to_thread(cluster.kill, "g1")
    await fleet.recovered("kill -9 of g1: all partitions acknowledge", killed, 10)
    note("kill -9 of g1: all of its clients are in step on g2", await fleet.in_step_again(away, killed, 20), 10)
    back = await asyncio.to_thread(cluster.start, "g1")
    await fleet.recovered("g1 started again: all partitions acknowledge", back, 10)
    await fleet.verdict("kill -9 of g1")
