"""Redis killed, emptied, stopped, cut off, without scripts: who notices, and how soon all is whole again."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable

import pytest
import redis

from router.interface import RENEW_S, GatewayLease, Resolver, RouterAway
from router.redis import ordered_connection
from router.redis.address import RedisAddress
from router.redis.keys import Keys
from router.redis.registrar import RedisRegistrar
from router.redis.resolver import REST_S, TIMEOUT_S, RedisResolver
from router.redis.write_queue import MAX_QUEUED
from tests.private_servers import PrivateServers
from tests.router.gateways import Gateway, group_holders, holders, until, worst_lag

NewGateway = Callable[..., Awaitable[Gateway]]

WHOLE_S = 10.0


def whole(gateway: Gateway, resolver: Resolver) -> bool:
    """Whether the router holds everybody at this gateway, and lists it."""
    users = {route.user for route in gateway.routes.values()}
    try:
        found = resolver.resolve(users, gateway.groups)
        lives = gateway.address in [lease.address for lease in resolver.gateways()]
    except RouterAway:
        return False
    everybody = ({user: [gateway.address] for user in users}, {group: [gateway.address] for group in gateway.groups})
    return lives and found == everybody


async def crowd(gateway: Gateway, users: int = 500) -> Gateway:
    """Connect many at once, with their groups."""
    routes = [gateway.connect(f"u{number}") for number in range(users)]
    await asyncio.gather(*map(gateway.registrar.register, routes))
    await gateway.enter("team", "club")
    return gateway


@pytest.mark.slow
async def test_redis_killed_and_restarted_empty(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    gateways = [await crowd(await new_gateway("g1"), 1000), await new_gateway("g2")]
    await gateways[1].login("zoe")
    await asyncio.to_thread(servers.kill, "redis")
    await until(lambda: not gateways[0].registrar.connected)
    gone = gateways[0].routes[1]
    gateways[0].logout(gone)
    late = gateways[0].connect("late")
    with pytest.raises(RouterAway):
        await gateways[0].registrar.register(late)
    await asyncio.to_thread(servers.start, "redis")
    gateways[0].groups -= {"team", "club"}
    for gateway in gateways:
        await until(lambda gateway=gateway: whole(gateway, resolver), WHOLE_S)  # type: ignore[misc]
        await until(lambda gateway=gateway: gateway.reregistered == 1, 1.0)  # type: ignore[misc]
    assert holders(resolver, "late") == ["g1.e1"]
    assert holders(resolver, gone.user) == []


@pytest.mark.slow
async def test_flushall_is_noticed_by_the_next_renewal(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    gateway = await crowd(await new_gateway())
    servers.flush_redis()
    assert holders(resolver, "u1") == []
    took = await until(lambda: whole(gateway, resolver), WHOLE_S)
    assert took < 6
    await until(lambda: gateway.reregistered == 1, 1.0)
    assert gateway.registrar.connected


async def test_a_stopped_redis_blocks_no_loop_and_loses_no_removal(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver, client: redis.Redis, keys: Keys
) -> None:
    gateway = await crowd(await new_gateway())
    await asyncio.to_thread(servers.stop, "redis")

    async def live_on() -> None:
        with pytest.raises(RouterAway):
            await gateway.login("late")
        gateway.logout(gateway.routes[1])
        gateway.leave("club")
        with pytest.raises(RouterAway):
            await gateway.registrar.renew()
        await until(lambda: not gateway.registrar.connected)

    assert await worst_lag(live_on()) < ordered_connection.TIMEOUT_S / 2, "whoever waited for Redis stood still longer"
    await asyncio.to_thread(servers.cont, "redis")
    await until(lambda: gateway.registrar.connected, WHOLE_S)
    assert holders(resolver, "u0") == [], "it left while Redis stood still and kept its data"
    assert group_holders(resolver, "club") == []
    users = [*(f"u{number}" for number in range(1, 500)), "late"]
    assert client.smembers(keys.held("g1.e1")) == {*map(keys.user, users), keys.group("team")}
    assert gateway.reregistered == 1


async def test_a_stopped_redis_costs_a_worker_100_ms_and_then_nothing(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    gateway = await new_gateway()
    await gateway.login("alice")
    assert holders(resolver, "alice") == ["g1.e1"]
    servers.stop("redis")
    took = []
    for _ in range(3):
        start = time.monotonic()
        with pytest.raises(RouterAway):
            resolver.resolve(["alice"], [])
        took.append(time.monotonic() - start)
    assert took[0] < TIMEOUT_S + REST_S
    assert max(took[1:]) < TIMEOUT_S, "an attempt takes at least as long"
    servers.cont("redis")
    await until(lambda: whole(gateway, resolver), WHOLE_S)


async def test_a_gateway_starts_without_redis_and_is_registered_later(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    await asyncio.to_thread(servers.kill, "redis")
    start = time.monotonic()
    gateway = await new_gateway()
    assert time.monotonic() - start < 3
    assert not gateway.registrar.connected
    with pytest.raises(RouterAway):
        await gateway.login("alice")
    with pytest.raises(RouterAway):
        resolver.gateways()
    await asyncio.to_thread(servers.start, "redis")
    await until(lambda: whole(gateway, resolver), WHOLE_S)
    await until(lambda: gateway.reregistered == 1, 1.0)


async def test_who_started_without_redis_leaves_its_name_to_whoever_had_it_before(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    """Redis comes back empty: nothing in it tells who had the name."""
    before = await crowd(await new_gateway("g1", "e1"))
    await asyncio.to_thread(servers.kill, "redis")
    late = await new_gateway("g1", "e2")
    assert not late.registrar.connected
    await asyncio.to_thread(servers.start, "redis")
    await until(lambda: len(late.lost) == 1, WHOLE_S)
    assert late.lost[0].holder.address == "g1.e1"
    assert not late.registrar.connected
    assert whole(before, resolver)
    assert (before.reregistered, before.lost) == (1, [])


async def test_a_namesake_that_started_while_redis_stood_still_has_lost(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    """Redis goes on with what it held: a lease that may have run out meanwhile."""
    before = await crowd(await new_gateway("g1", "e1"))
    await asyncio.to_thread(servers.stop, "redis")
    late = await new_gateway("g1", "e2")
    assert not late.registrar.connected
    await asyncio.to_thread(servers.cont, "redis")
    await until(lambda: len(late.lost) == 1, WHOLE_S)
    await until(lambda: whole(before, resolver), WHOLE_S)
    assert before.lost == []


async def test_two_deployments_on_one_redis_see_nothing_of_each_other(
    redis_address: RedisAddress, keys: Keys, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    """One prefix begins as the other does; each side has the same names."""
    ours = await crowd(await new_gateway("g1", "e1"), 3)
    longer = Keys(f"{keys.prefix}.2")
    theirs = Gateway(RedisRegistrar(redis_address, longer), "g1", "e2")
    their_resolver = RedisResolver(redis_address, longer)
    try:
        await crowd(await theirs.start(), 5)
        await asyncio.sleep(RENEW_S + 1)
        for gateway, its_resolver in ((ours, resolver), (theirs, their_resolver)):
            assert whole(gateway, its_resolver)
            assert [lease.address for lease in its_resolver.gateways()] == [gateway.address]
            assert (gateway.reregistered, gateway.lost) == (0, [])
        resolver.announce_worker("w1", "e1")
        their_resolver.announce_worker("w2", "e1")
        assert (resolver.workers(), their_resolver.workers()) == (["w1"], ["w2"])
        their_resolver.withdraw_worker("w1", "e1")
        their_resolver.forget(["u1"], ["team"], "g1.e1")
        await theirs.registrar.close()
        assert whole(ours, resolver)
        assert (resolver.workers(), their_resolver.gateways()) == (["w1"], [])
    finally:
        await theirs.registrar.close()
        their_resolver.close()


async def test_redis_dies_while_thousands_wait_for_their_registration(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    gateway = await new_gateway()
    servers.stop("redis")
    logins = [asyncio.create_task(gateway.login(f"u{number}")) for number in range(3000)]
    await asyncio.sleep(0)
    await asyncio.to_thread(servers.kill, "redis")
    outcomes = await asyncio.wait_for(asyncio.gather(*logins, return_exceptions=True), 3)
    assert {type(outcome) for outcome in outcomes} == {RouterAway}
    await asyncio.to_thread(servers.start, "redis")
    await until(lambda: whole(gateway, resolver), WHOLE_S)


async def test_a_cut_connection_is_made_again(
    new_gateway: NewGateway, resolver: RedisResolver, client: redis.Redis
) -> None:
    gateway = await crowd(await new_gateway())
    holders(resolver, "u1")
    client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(RouterAway):
        await gateway.login("alice")
    await until(lambda: whole(gateway, resolver), WHOLE_S)
    assert holders(resolver, "alice") == ["g1.e1"]


async def test_scripts_that_redis_forgot_are_loaded_again(
    new_gateway: NewGateway, resolver: RedisResolver, client: redis.Redis
) -> None:
    gateway = await crowd(await new_gateway())
    client.script_flush()
    with pytest.raises(RouterAway):
        await gateway.login("alice")
    await until(lambda: whole(gateway, resolver), WHOLE_S)
    assert resolver.workers() == []


async def test_more_removals_at_once_than_the_queue_holds(
    new_gateway: NewGateway, resolver: RedisResolver, client: redis.Redis, keys: Keys
) -> None:
    gateway = await crowd(await new_gateway(), 1000)
    ghost = gateway.connect("ghost")
    del gateway.routes[ghost.connection]
    for _ in range(MAX_QUEUED):
        gateway.registrar.unregister(ghost)
    for route in list(gateway.routes.values())[:990]:
        gateway.logout(route)
    with pytest.raises(RouterAway):
        await gateway.login("one-too-many")
    users = [*(f"u{number}" for number in range(990, 1000)), "one-too-many"]
    wanted = {*map(keys.user, users), *map(keys.group, ("team", "club"))}
    await until(lambda: client.smembers(keys.held("g1.e1")) == wanted, WHOLE_S)
    await until(lambda: gateway.reregistered == 1, 1.0)
    assert whole(gateway, resolver)


async def test_a_wrong_password_is_a_router_that_is_away(redis_address: RedisAddress, keys: Keys) -> None:
    wrong = dataclasses.replace(redis_address, password="wrong-horse")
    with pytest.raises(RouterAway) as refused:
        RedisResolver(wrong, keys).gateways()
    gateway = await Gateway(RedisRegistrar(wrong, keys)).start()
    assert not gateway.registrar.connected
    await gateway.registrar.close()
    for text in (str(refused.value), repr(wrong), repr(gateway.registrar), repr(RedisResolver(wrong, keys))):
        assert "wrong-horse" not in text


async def test_closing_a_gateway_does_not_wait_for_a_dead_redis(
    servers: PrivateServers, new_gateway: NewGateway
) -> None:
    gateway = await crowd(await new_gateway())
    servers.stop("redis")
    start = time.monotonic()
    await gateway.registrar.close()
    assert time.monotonic() - start < 1.5
    with pytest.raises(RouterAway):
        await gateway.login("alice")


async def test_dead_gateways_do_not_stay_listed_for_sweeping(
    new_gateway: NewGateway, client: redis.Redis, keys: Keys
) -> None:
    users = [f"u{number}" for number in range(1000)]
    client.sadd(keys.gateways(), "old.e0", "old.e1")
    client.sadd(keys.held("old.e0"), *map(keys.user, users), keys.group("team"))
    for user in users:
        client.set(keys.at(user), "old.e0")
        client.hset(keys.user(user), "old.e0#1", "{}")
    client.set(keys.group("team"), "old.e0 g9.e9")
    gateway = await new_gateway()
    await until(lambda: client.smembers(keys.gateways()) == {gateway.address}, 5)
    left = sorted(client.scan_iter(f"{keys.prefix}:*"))
    assert left == [keys.gateway("g1"), keys.gateways(), keys.group("team")]
    assert client.get(keys.group("team")) == "g9.e9"


async def test_nginx_can_read_a_lease_and_it_ends_by_itself(
    new_gateway: NewGateway, client: redis.Redis, keys: Keys
) -> None:
    gateway = await new_gateway()
    await gateway.registrar.renew()
    assert gateway.lease() == GatewayLease("g1", "e1", "127.0.0.1", 9001, "up", 0)
    assert client.get(keys.gateway("g1")) == (
        '{"id":"g1","epoch":"e1","host":"127.0.0.1","port":9001,"tcp_port":0,"state":"up","connections":0,"queue":1}'
    )
    assert 9_000 < int(client.pttl(keys.gateway("g1"))) <= 10_000


async def test_a_login_storm_of_5000(new_gateway: NewGateway, resolver: RedisResolver) -> None:
    gateway = await crowd(await new_gateway(), 5000)
    assert whole(gateway, resolver)
    assert gateway.reregistered == 0


@pytest.mark.slow
async def test_a_loop_that_stood_still_does_not_blame_redis(
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver
) -> None:
    gateway = await new_gateway()
    servers.stop("redis")
    login = asyncio.create_task(gateway.login("alice"))
    for _ in range(20):
        await asyncio.sleep(0)
    servers.cont("redis")
    time.sleep(2)
    await login
    assert holders(resolver, "alice") == ["g1.e1"]
    assert gateway.registrar.connected
    assert gateway.reregistered == 0
