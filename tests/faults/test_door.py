"""Faults behind the doors, under load from clients by WebSocket, TCP and long-poll through nginx."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from router.interface import RouterAway
from router.redis.address import gateway_and_epoch
from tests.client import Client
from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.fleet import Fleet, Size

pytestmark = pytest.mark.timeout(180)

WITH_NEWCOMERS = Size(users=60, groups=5, members=12, with_two_devices=0, late=15)
GATEWAYS = ("g1", "g2")
KINDS = 3
MESSAGES_WITHOUT_IT = 1000  # longer than the door bears with a lease that is missing while Redis answers
NEWCOMER_S = 3.0
BACK_S = 10.0
FLOWING_S = 3.0
ROUTES_WHOLE_S = 10.0
POLL_S = 0.1


@pytest.mark.parametrize("fleet_at_the_door", [WITH_NEWCOMERS], indirect=True, ids=["60"])
async def test_a_gateway_behind_the_door_is_killed(cluster: FaultCluster, fleet_at_the_door: Fleet) -> None:
    """Whoever comes is sent elsewhere at once, and so are its clients, who lack nothing."""
    fleet = fleet_at_the_door
    at = await asyncio.to_thread(whereabouts, cluster, fleet)
    away = [client for client in fleet.clients if at.get(client.seen.user) == {"g1"}]
    assert len({fleet.clients.index(client) % KINDS for client in away}) == KINDS
    killed = await asyncio.to_thread(cluster.kill, "g1")
    coming = asyncio.create_task(newcomers(fleet))
    note("kill -9 of g1 behind the door: its clients are in step", await fleet.in_step_again(away, killed, 20), BACK_S)
    note("kill -9 of g1 behind the door: the longest that a newcomer takes to log in", await coming, NEWCOMER_S)
    assert all(client.seen.logins == 1 for client in fleet.clients if client not in away)
    back = await asyncio.to_thread(cluster.start, "g1")
    await fleet.recovered("g1 started again behind the door: all partitions acknowledge", back, BACK_S)
    await fleet.verdict("kill -9 of g1 behind the door")


@pytest.mark.parametrize("fleet_at_the_door", [WITH_NEWCOMERS], indirect=True, ids=["60"])
async def test_redis_behind_the_door_is_killed(cluster: FaultCluster, fleet_at_the_door: Fleet) -> None:
    """nginx serves newcomers by its last list, messages flow to them as to everyone, and they lack nothing then."""
    fleet = fleet_at_the_door
    before = await asyncio.to_thread(whereabouts, cluster, fleet)
    killed = await asyncio.to_thread(cluster.kill, "redis")
    await fleet.load.goes_on(MESSAGES_WITHOUT_IT)
    took = await newcomers(fleet)
    note("kill -9 of Redis behind the door: the longest that a newcomer takes to log in", took, NEWCOMER_S)
    await fleet.recovered("kill -9 of Redis behind the door: all partitions acknowledge without it", killed, FLOWING_S)
    note("kill -9 of Redis behind the door: the longest wait", fleet.load.slowest(killed), FLOWING_S)
    back = await asyncio.to_thread(cluster.start, "redis")
    await routes_are_whole(cluster, fleet, before, back)
    assert all(client.seen.logins == 1 for client in fleet.clients)
    await fleet.verdict("kill -9 of Redis behind the door")


async def newcomers(fleet: Fleet) -> float:
    """The late ones come, one after another in the time that one may take; the longest that one took to log in. All are
    in step at the end."""

    async def come(number: int, client: Client) -> float:
        await asyncio.sleep(number * NEWCOMER_S / len(fleet.late))
        began = time.monotonic()
        client.start()
        await client.until(lambda: client.seen.logins > 0)
        took = time.monotonic() - began
        await client.in_step()
        return took

    return max(await asyncio.gather(*(come(number, client) for number, client in enumerate(fleet.late))))


def whereabouts(cluster: FaultCluster, fleet: Fleet) -> dict[str, set[str]]:
    """Which gateways hold each user and each group, as the router knows it. Raises RouterAway."""
    users, groups = cluster.resolver().resolve(fleet.users, fleet.groups)
    return {name: {gateway_and_epoch(address)[0] for address in at} for name, at in {**users, **groups}.items()}


async def routes_are_whole(cluster: FaultCluster, fleet: Fleet, before: dict[str, set[str]], since: float) -> None:
    """Until Redis knows everyone: those of `before` where they were, the others so that the gateways' counts agree."""
    while wrong := await asyncio.to_thread(wrong_routes, cluster, fleet, before):
        assert time.monotonic() - since < 2 * ROUTES_WHOLE_S, wrong
        await asyncio.sleep(POLL_S)
    note("Redis started again, empty: the routes are whole", time.monotonic() - since, ROUTES_WHOLE_S)


def wrong_routes(cluster: FaultCluster, fleet: Fleet, before: dict[str, set[str]]) -> str:
    """What Redis lacks, or says wrongly."""
    try:
        at = whereabouts(cluster, fleet)
    except RouterAway:
        return "Redis does not answer"
    if moved := [user for user in fleet.users if user in before and at.get(user) != before[user]]:
        return f"{moved[:3]} of {len(moved)} are not where they are"
    held = {name: cluster.connections(name) for name in GATEWAYS}
    routed = Counter("+".join(sorted(at.get(user, {"nowhere"}))) for user in fleet.users)
    if routed != held:
        return f"the gateways hold {held}, Redis says {routed}"
    groups = {group: set.union(*(at[user] for user in members)) for group, members in fleet.groups.items()}
    return "" if groups == {group: at.get(group, set()) for group in groups} else f"groups are at {groups}, not {at}"
