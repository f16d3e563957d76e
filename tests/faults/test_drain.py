"""Everything restarted in turn under load, as scripts/rolling_restart.sh does it: nobody notices."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet
from tests.faults.history import Sent

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("names", [("g1", "g2"), ("w1", "w2", "p1")], ids=["gateways", "workers"])
async def test_a_rolling_restart(cluster: FaultCluster, fleet: Fleet, names: tuple[str, ...]) -> None:
    """Whatever was sent is acknowledged, at the latest by one automatic retry."""
    for name in names:
        drained = await asyncio.to_thread(cluster.drain, name)
        if name.startswith("g"):
            away = [client for client in fleet.clients if fleet.gateway_of(client) == name]
            note(
                f"{name} drained: its clients are in step on the other", await fleet.in_step_again(away, drained, 20), 5
            )
        back = await asyncio.to_thread(cluster.start, name)
        await fleet.recovered(f"{name} restarted in turn: all partitions acknowledge", back, 10)
    await fleet.verdict("rolling restart of the " + ("gateways" if names[0] == "g1" else "workers"))
    sends = Counter((event.sender, event.cid) for event in fleet.events if isinstance(event, Sent))
    assert max(sends.values()) <= 2, sends.most_common(3)
    waits = [message.acked_at - message.sent_at for message in fleet.load.messages if message.acked_at is not None]
    note(f"rolling restart of {', '.join(names)}: the longest wait for an answer", max(waits), 10)
