"""Redis killed, emptied, stopped, cut off, without scripts: who notices, and how soon all is whole again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
import redis

from router.address import RedisAddress
from router.interface import GatewayLease, Resolver, RouterAway
from router.redis_registrar import MAX_QUEUED, RedisRegistrar
from router.redis_resolver import RedisResolver
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
    servers: PrivateServers, new_gateway: NewGateway, resolver: RedisResolver, client: redis.Redis
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

    assert await worst_lag(live_on()) < 0.1
    await asyncio.to_thread(servers.cont, "redis")
    await until(lambda: gateway.registrar.connected, WHOLE_S)
    assert holders(resolver, "u0") == [], "it left while Redis stood still and kept its data"
    assert group_holders(resolver, "club") == []
    assert client.smembers("held:g1.e1") == {f"user:u{n}" for n in range(1, 500)} | {"user:late", "group:team"}
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
    assert took[0] < 0.2
    assert max(took[1:]) < 0.02
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
    new_gateway: NewGateway, resolver: RedisResolver, client: redis.Redis
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
    wanted = {f"user:u{number}" for number in range(990, 1000)} | {"user:one-too-many", "group:team", "group:club"}
    await until(lambda: client.smembers("held:g1.e1") == wanted, WHOLE_S)
    await until(lambda: gateway.reregistered == 1, 1.0)
    assert whole(gateway, resolver)


async def test_a_wrong_password_is_a_router_that_is_away(redis_address: RedisAddress) -> None:
    wrong = RedisAddress(redis_address.host, redis_address.port, "wrong-horse")
    with pytest.raises(RouterAway) as refused:
        RedisResolver(wrong).gateways()
    gateway = await Gateway(RedisRegistrar(wrong)).start()
    assert not gateway.registrar.connected
    await gateway.registrar.close()
    for text in (str(refused.value), repr(wrong), repr(gateway.registrar), repr(RedisResolver(wrong))):
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


async def test_dead_gateways_do_not_stay_listed_for_sweeping(new_gateway: NewGateway, client: redis.Redis) -> None:
    client.sadd("gateways", "old.e0", "old.e1")
    client.sadd("held:old.e0", *(f"user:u{number}" for number in range(1000)), "group:team")
    for number in range(1000):
        client.set(f"at:u{number}", "old.e0")
        client.hset(f"user:u{number}", "old.e0#1", "{}")
    client.set("group:team", "old.e0 g9.e9")
    gateway = await new_gateway()
    await until(lambda: client.smembers("gateways") == {gateway.address}, 5)
    assert sorted(client.keys()) == ["gateway:g1", "gateways", "group:team"]
    assert client.get("group:team") == "g9.e9"


async def test_nginx_can_read_a_lease_and_it_ends_by_itself(new_gateway: NewGateway, client: redis.Redis) -> None:
    gateway = await new_gateway()
    await gateway.registrar.renew()
    assert gateway.lease() == GatewayLease("g1", "e1", "127.0.0.1", 9001, "up", 0)
    assert client.get("gateway:g1") == (
        '{"id":"g1","epoch":"e1","host":"127.0.0.1","port":9001,"tcp_port":0,"state":"up","connections":0}'
    )
    assert 9_000 < int(client.pttl("gateway:g1")) <= 10_000


async def test_a_login_storm_of_5000(new_gateway: NewGateway, resolver: RedisResolver) -> None:
    gateway = await crowd(await new_gateway(), 5000)
    assert whole(gateway, resolver)
    assert gateway.reregistered == 0


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
