"""Ordered workers that die, freeze, come and go, under load."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet
from tests.faults.frozen_transaction import stop_in_transaction

pytestmark = pytest.mark.timeout(150)

STOPPED_S = 25.0  # longer than anything waits: for its heartbeats, its lease, its transaction
HANDOVER_S = 30.0
POLL_S = 0.1


async def test_ordered_workers_are_killed(cluster: FaultCluster, fleet: Fleet) -> None:
    """One, and as soon as it is back the other: what the first had taken may come back a second time."""
    for killed, successor in (("w1", "w2"), ("w2", "w1")):
        since = await asyncio.to_thread(cluster.kill, killed)
        await fleet.recovered(f"kill -9 of {killed}: {successor} acknowledges for all partitions", since, 10)
        back = await asyncio.to_thread(cluster.start, killed)
        await fleet.recovered(f"{killed} started again: all partitions acknowledge", back, 10)
    await fleet.load.goes_on(200)
    await fleet.verdict("kill -9 of w1 and w2")


async def test_an_ordered_worker_is_stopped_in_the_middle_of_a_transaction(cluster: FaultCluster, fleet: Fleet) -> None:
    """SIGSTOP while its INSERTs are made and not committed; SIGCONT when another has long taken over."""
    mine = cluster.share("w1", "w2")
    await held(cluster, "w1", mine)
    # Groups are written to most often, and the lock must be met before its wait ends.
    conversation = next(name for name in fleet.conversations() if cluster.partition(name) in mine)
    worker = cluster.process("w1")
    await asyncio.to_thread(stop_in_transaction, cluster, "w1", conversation)
    stopped = time.monotonic()
    await fleet.recovered("SIGSTOP of w1 in a transaction: w2 acknowledges for all partitions", stopped, 20)
    await asyncio.sleep(stopped + STOPPED_S - time.monotonic())
    await asyncio.to_thread(worker.resume)
    await fleet.recovered(f"SIGCONT of w1 after {STOPPED_S:.0f} s: all partitions acknowledge", time.monotonic(), 10)
    await asyncio.to_thread(worker.await_ready)
    await fleet.verdict(f"SIGSTOP of w1 for {STOPPED_S:.0f} s")


async def test_partitions_are_handed_over(cluster: FaultCluster, fleet: Fleet) -> None:
    """A third worker gets its share under load, and gives it back when it stops in order."""
    before = {"w1": cluster.share("w1", "w2"), "w2": cluster.share("w2", "w1")}
    for name, partitions in before.items():
        await held(cluster, name, partitions)
    began = await asyncio.to_thread(cluster.start, "w3")
    await held(cluster, "w3", cluster.share("w3", "w1", "w2"))
    note("w3 started: it has its share", time.monotonic() - began, HANDOVER_S)
    await fleet.load.goes_on(200)
    await asyncio.to_thread(cluster.process("w3").stop)
    stopped = time.monotonic()
    await fleet.recovered("w3 stopped in order: all partitions acknowledge", stopped, 5)
    for name, partitions in before.items():
        await held(cluster, name, partitions)
    note("w3 stopped in order: w1 and w2 have their shares again", time.monotonic() - stopped, HANDOVER_S)
    await fleet.verdict("partitions handed over")
    note("partitions handed over: the longest wait for an acknowledgement", fleet.load.slowest(began), 5)


async def held(cluster: FaultCluster, worker: str, partitions: set[int]) -> None:
    """Until commands come to `worker` from exactly these partitions."""
    until = time.monotonic() + HANDOVER_S
    while (now := await asyncio.to_thread(cluster.held, worker)) != partitions:
        assert time.monotonic() < until, f"{worker} holds {now}, not {partitions}"
        await asyncio.sleep(POLL_S)
