"""MariaDB dies, under load and while nobody asks for anything."""

from __future__ import annotations

import asyncio
import http.client
import time

import pytest
from hongyan.connection import Refused

from tests.faults.cluster import OURS, FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet

pytestmark = pytest.mark.timeout(150)

NOTICED_S = 8.0
POLL_S = 0.1
AT_ONCE_S = 2.0  # the kernel takes a while to close what a killed server held; a timeout would take 5 s


async def test_mariadb_is_killed(cluster: FaultCluster, fleet: Fleet) -> None:
    """Without a store every send is refused with `busy`, at once; with it again all go on."""
    await asyncio.to_thread(cluster.kill, "mariadb")
    # One of each partition: its worker, not the other one, has to say so.
    by_partition = {cluster.partition(name): name for name in fleet.conversations()}
    waits = await asyncio.gather(*(refused_as_busy(fleet, name) for name in by_partition.values()))
    note("kill -9 of MariaDB: the longest wait for `busy`", max(waits), AT_ONCE_S)
    back = await asyncio.to_thread(cluster.start, "mariadb")
    await fleet.recovered("MariaDB started again: all partitions acknowledge", back, 30)
    await fleet.verdict("kill -9 of MariaDB")


async def test_mariadb_is_killed_while_nobody_asks(cluster: FaultCluster) -> None:
    """Without a single command, every process says within seconds that it cannot serve, and that it can again."""
    gone = await asyncio.to_thread(cluster.kill, "mariadb")
    await all_answer(cluster, 503)
    note("kill -9 of MariaDB while idle: no process says that it is ready", time.monotonic() - gone, NOTICED_S)
    back = await asyncio.to_thread(cluster.start, "mariadb")
    await all_answer(cluster, 200)
    note("MariaDB started again: every process says that it is ready", time.monotonic() - back, NOTICED_S)
    assert cluster.faults_of_ours() == []


async def all_answer(cluster: FaultCluster, status: int) -> None:
    """Until /readyz of every gateway and worker answers with `status`."""
    until = time.monotonic() + 3 * NOTICED_S
    while others := [name for name in OURS if await asyncio.to_thread(readyz, cluster, name) != status]:
        assert time.monotonic() < until, others
        await asyncio.sleep(POLL_S)


def readyz(cluster: FaultCluster, name: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", cluster.process(name).port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()


async def refused_as_busy(fleet: Fleet, conversation: str) -> float:
    """Send something that will be refused; how long the refusal took. The same is sent in the end like all else."""
    client = fleet.member_of(conversation)
    cid, text = f"while-away-{conversation}"[:64], "is anybody there?"
    data = {"conversation": conversation, "cid": cid, "type": "text", "body": {"text": text}}
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        await client.call("message.send", data)
    waited = time.monotonic() - began
    assert refused.value.code == "busy"
    fleet.load.send(client, conversation, text, cid)
    return waited
