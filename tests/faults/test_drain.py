"""Everything restarted in turn under load, as an operator does it: nobody notices more than a reconnect."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet, Size
from tests.faults.history import Sent

pytestmark = pytest.mark.timeout(240)

CROWD = Size(users=500, groups=50, members=10, with_two_devices=0, per_s=100)
SERVED_S = 30.0  # of 500 on a machine with much other work; what it is otherwise stands in docs/faults.md
AWAY_S = 30.0


@pytest.mark.parametrize("fleet_at_the_door", [CROWD], indirect=True, ids=["500"])
async def test_a_rolling_restart(cluster: FaultCluster, fleet_at_the_door: Fleet) -> None:
    """While 500 write 100 messages a second through the doors: each reconnects once for each gateway that it leaves,
    but for 5 % at most, and whatever was sent is acknowledged, at the latest by one automatic retry."""
    fleet = fleet_at_the_door
    began = time.monotonic()
    await asyncio.to_thread(cluster.rolling_restart)
    await fleet.recovered("rolling restart: all partitions acknowledge", time.monotonic(), SERVED_S)
    await fleet.verdict("rolling restart")
    note("rolling restart: the longest wait for an acknowledgement", fleet.load.slowest(began), SERVED_S)
    away = max(client.seen.longest_away_s for client in fleet.clients)
    note("rolling restart: the longest that a client was away", away, AWAY_S)
    sends = Counter((event.sender, event.cid) for event in fleet.events if isinstance(event, Sent))
    assert max(sends.values()) <= 2, sends.most_common(3)
    # g1's clients go to g2, and all who are there then to g1; on a machine with other work a few wait in vain.
    unusual = [(client, client.seen.losses) for client in fleet.clients if client.seen.logins not in (2, 3)]
    assert len(unusual) <= CROWD.users // 20, unusual
