"""What router/interface.py promises, held against Redis and against memory."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from router.interface import NameTaken, Registrar, Resolver, Route, RouterAway, TooManyConnections
from router.memory.router import MemoryRouter
from router.redis.keys import Keys
from router.redis.registrar import RedisRegistrar
from router.redis.resolver import RedisResolver
from tests.private_servers import PrivateServers
from tests.router.gateways import Gateway, group_holders, holders, loop_thread, until

LEASE_S = 1.0
RENEW_S = 0.3


@dataclass
class Router:
    """A router of either kind, with leases short enough to see them end."""

    new_registrar: Callable[[], Registrar]
    resolver: Resolver
    life: AsyncExitStack

    async def gateway(self, gateway_id: str = "g1", epoch: str = "e1") -> Gateway:
        gateway = Gateway(self.new_registrar(), gateway_id, epoch)
        self.life.push_async_callback(gateway.registrar.close)
        return await gateway.start()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.servers)])
async def router(request: pytest.FixtureRequest) -> AsyncIterator[Router]:
    async with AsyncExitStack() as life:
        if request.param == "memory":
            memory = MemoryRouter(LEASE_S, RENEW_S)
            yield Router(memory.registrar, memory.resolver(), life)
            return
        servers: PrivateServers = request.getfixturevalue("servers")
        redis, keys = servers.redis_address, Keys(servers.fresh_router().prefix)
        resolver = RedisResolver(redis, keys)
        life.callback(resolver.close)
        yield Router(lambda: RedisRegistrar(redis, keys, LEASE_S, RENEW_S), resolver, life)


async def test_a_connected_user_is_found_and_then_not(router: Router) -> None:
    gateway = await router.gateway()
    route = await gateway.login("alice")
    assert holders(router.resolver, "alice") == ["g1.e1"]
    assert holders(router.resolver, "bob") == []
    gateway.logout(route)
    await until(lambda: holders(router.resolver, "alice") == [])


async def test_whoever_is_nowhere_has_no_entry(router: Router) -> None:
    gateway = await router.gateway()
    await gateway.login("alice")
    await gateway.enter("team")
    users, groups = router.resolver.resolve(["alice", "nobody"], ["team", "none"])
    assert users == {"alice": ["g1.e1"]}
    assert groups == {"team": ["g1.e1"]}
    assert router.resolver.resolve([], []) == ({}, {})


async def test_a_user_on_two_gateways_is_at_both_until_one_is_left(router: Router) -> None:
    first, second = await router.gateway("g1"), await router.gateway("g2")
    here, there = await first.login("alice"), await second.login("alice")
    assert holders(router.resolver, "alice") == ["g1.e1", "g2.e1"]
    first.logout(here)
    await until(lambda: holders(router.resolver, "alice") == ["g2.e1"])
    second.logout(there)
    await until(lambda: holders(router.resolver, "alice") == [])


async def test_a_gateway_holds_a_user_until_the_last_connection_there_ends(router: Router) -> None:
    gateway = await router.gateway()
    phone, laptop = await gateway.login("alice"), await gateway.login("alice")
    gateway.logout(phone)
    await gateway.login("bob")
    assert holders(router.resolver, "alice") == ["g1.e1"]
    gateway.logout(laptop)
    await gateway.login("bob")
    assert holders(router.resolver, "alice") == []


async def test_ids_that_are_part_of_each_other_are_kept_apart(router: Router) -> None:
    short, long = await router.gateway("g1"), await router.gateway("g1.e1.g1", "e11")
    route = await short.login("alice")
    await long.login("alice")
    await long.login("alice.b")
    short.logout(route)
    await short.login("bob")
    assert holders(router.resolver, "alice") == ["g1.e1.g1.e11"]
    assert holders(router.resolver, "alice.b") == ["g1.e1.g1.e11"]


async def test_registering_twice_is_registering_once(router: Router) -> None:
    gateway = await router.gateway()
    route = await gateway.login("alice")
    await gateway.registrar.register(route)
    gateway.logout(route)
    gateway.registrar.unregister(route)
    await gateway.login("bob")
    assert holders(router.resolver, "alice") == []


async def test_groups_are_held_by_every_gateway_with_a_member(router: Router) -> None:
    first, second = await router.gateway("g1"), await router.gateway("g2")
    await first.enter("team", "club")
    await second.enter("team")
    assert group_holders(router.resolver, "team") == ["g1.e1", "g2.e1"]
    first.leave("team")
    await until(lambda: group_holders(router.resolver, "team") == ["g2.e1"])
    assert group_holders(router.resolver, "club") == ["g1.e1"]
    second.leave("team", "never-entered")
    await until(lambda: group_holders(router.resolver, "team") == [])


async def test_a_user_and_a_group_of_one_name_are_two(router: Router) -> None:
    gateway = await router.gateway()
    route = await gateway.login("sam")
    await gateway.enter("sam")
    gateway.logout(route)
    await until(lambda: holders(router.resolver, "sam") == [])
    assert group_holders(router.resolver, "sam") == ["g1.e1"]


async def test_hundreds_of_groups_at_once(router: Router) -> None:
    gateway = await router.gateway()
    names = [f"group-{number}" for number in range(700)]
    await gateway.enter(*names)
    assert len(router.resolver.resolve([], names)[1]) == 700
    gateway.leave(*names)
    await until(lambda: router.resolver.resolve([], names)[1] == {})


async def test_a_leave_is_not_overtaken_by_an_entry_that_still_waits(router: Router) -> None:
    gateway = await router.gateway()
    names = [f"group-{number}" for number in range(700)]
    entering = asyncio.create_task(gateway.enter(*names))
    await asyncio.sleep(0)
    gateway.leave(*names)
    await entering
    await gateway.enter("last")
    assert router.resolver.resolve([], [*names, "last"])[1] == {"last": ["g1.e1"]}


async def test_writes_take_effect_in_the_order_of_the_calls(router: Router) -> None:
    gateway = await router.gateway()
    waiting = []
    for number in range(300):
        route = gateway.connect(f"u{number}")
        waiting.append(asyncio.create_task(gateway.registrar.register(route)))
        await asyncio.sleep(0)
        if number % 2:
            gateway.logout(route)
    await asyncio.gather(*waiting)
    await gateway.login("last")
    found = router.resolver.resolve([f"u{number}" for number in range(300)], [])[0]
    assert sorted(found) == sorted(f"u{number}" for number in range(0, 300, 2))


async def test_live_gateways_are_listed_with_their_state(router: Router) -> None:
    first, second = await router.gateway("g1"), await router.gateway("g2", "e7")
    assert sorted(router.resolver.gateways(), key=lambda lease: lease.id) == [first.lease(), second.lease()]
    await first.login("alice")
    first.state = "draining"
    await first.registrar.renew()
    assert first.lease() in router.resolver.gateways()
    assert first.lease().state == "draining"
    assert first.lease().connections == 1


@pytest.mark.slow
async def test_a_lease_is_kept_longer_than_its_length(router: Router) -> None:
    gateway = await router.gateway()
    await gateway.login("alice")
    end = time.monotonic() + 2 * LEASE_S
    while time.monotonic() < end:
        assert [lease.address for lease in router.resolver.gateways()] == ["g1.e1"]
        await asyncio.sleep(0.05)
    assert gateway.registrar.connected
    assert gateway.reregistered == 0


async def test_a_closed_gateway_leaves_nothing_behind(router: Router) -> None:
    gateway, other = await router.gateway("g1"), await router.gateway("g2")
    for number in range(250):
        gateway.connect(f"u{number}")
    await asyncio.gather(*map(gateway.registrar.register, gateway.routes.values()))
    await gateway.enter("team")
    await other.login("u7")
    await gateway.registrar.close()
    assert [lease.id for lease in router.resolver.gateways()] == ["g2"]
    found = router.resolver.resolve([f"u{number}" for number in range(250)], ["team"])
    assert found == ({"u7": ["g2.e1"]}, {})
    assert not gateway.registrar.connected


async def test_the_lease_of_a_dead_gateway_ends_and_the_next_to_start_sweeps(router: Router) -> None:
    with loop_thread() as thread:
        dead = Gateway(router.new_registrar(), "g1")
        thread.run(dead.start())
        thread.run(dead.login("alice"))
        thread.run(dead.enter("team"))
        thread.die()
        await until(lambda: router.resolver.gateways() == [], 3 * LEASE_S)
        assert holders(router.resolver, "alice") == ["g1.e1"]
        await router.gateway("g2")
        await until(lambda: router.resolver.resolve(["alice"], ["team"]) == ({}, {}))


async def test_a_starting_gateway_sweeps_its_former_life(router: Router) -> None:
    with loop_thread() as thread:
        former = Gateway(router.new_registrar(), "g1", "e1")
        thread.run(former.start())
        for number in range(260):
            thread.run(former.login(f"u{number}"))
        thread.run(former.enter("team"))
        thread.die()
        next_life = await router.gateway("g1", "e2")
        await next_life.login("u3")
        names = [f"u{number}" for number in range(260)]
        await until(lambda: router.resolver.resolve(names, ["team"]) == ({"u3": ["g1.e2"]}, {}))
        assert [lease.address for lease in router.resolver.gateways()] == ["g1.e2"]


async def test_whoever_meets_a_dead_gateway_deletes_it_but_never_a_living_one(router: Router) -> None:
    with loop_thread() as thread:
        dead = Gateway(router.new_registrar(), "g1")
        living = await router.gateway("g2")
        thread.run(dead.start())
        for gateway_login in (thread.run(dead.login("alice")), await living.login("alice")):
            assert gateway_login.user == "alice"
        thread.run(dead.enter("team"))
        await living.enter("team")
        thread.die()
        await until(lambda: len(router.resolver.gateways()) == 1, 3 * LEASE_S)
        for address in ("g1.e1", "g2.e1"):
            router.resolver.forget(["alice", "nobody"], ["team"], address)
        assert router.resolver.resolve(["alice"], ["team"]) == ({"alice": ["g2.e1"]}, {"team": ["g2.e1"]})


@pytest.mark.slow
async def test_a_gateway_taken_for_dead_registers_again_and_says_so(router: Router) -> None:
    with loop_thread() as thread:
        stalled = Gateway(router.new_registrar(), "g1")
        thread.run(stalled.start())
        alice = thread.run(stalled.login("alice"))
        thread.run(stalled.login("bob"))
        thread.run(stalled.enter("team"))
        thread.stall(3 * LEASE_S)
        await until(lambda: router.resolver.gateways() == [])
        await router.gateway("g2")
        await until(lambda: router.resolver.resolve(["alice", "bob"], ["team"]) == ({}, {}))
        await until(lambda: holders(router.resolver, "bob") == ["g1.e1"])
        await until(lambda: stalled.reregistered == 1)
        assert router.resolver.resolve(["alice"], ["team"]) == ({"alice": ["g1.e1"]}, {"team": ["g1.e1"]})
        assert stalled.lease() in router.resolver.gateways()
        stalled.logout(alice)
        thread.run(stalled.login("carol"))
        assert holders(router.resolver, "alice") == []


async def test_a_name_that_a_living_gateway_has_is_refused(router: Router) -> None:
    holder = await router.gateway("g1", "e1")
    await holder.login("alice")
    start = time.monotonic()
    with pytest.raises(NameTaken, match=r"another gateway named g1 lives, at 127\.0\.0\.1:9001"):
        await router.gateway("g1", "e2")
    assert time.monotonic() - start < LEASE_S, "the holder's next renewal is enough"
    assert [lease.address for lease in router.resolver.gateways()] == ["g1.e1"]
    assert holders(router.resolver, "alice") == ["g1.e1"]
    await holder.login("bob")
    assert (holder.registrar.connected, holder.reregistered, holder.lost) == (True, 0, [])


async def test_who_was_refused_writes_nothing_and_gives_up_no_lease(router: Router) -> None:
    holder = await router.gateway("g1", "e1")
    refused = Gateway(router.new_registrar(), "g1", "e2")
    with pytest.raises(NameTaken):
        await refused.start()
    for write in (refused.login("alice"), refused.enter("team"), refused.registrar.renew()):
        with pytest.raises(RouterAway):
            await write
    assert not refused.registrar.connected
    await refused.registrar.close()
    assert router.resolver.resolve(["alice"], ["team"]) == ({}, {})
    assert [lease.address for lease in router.resolver.gateways()] == ["g1.e1"]
    assert holder.lost == []


async def test_a_lease_that_was_given_up_is_free_at_once(router: Router) -> None:
    former = await router.gateway("g1", "e1")
    await former.registrar.close()
    start = time.monotonic()
    await router.gateway("g1", "e2")
    assert time.monotonic() - start < LEASE_S - RENEW_S, "so long it would still have stood"
    assert [lease.address for lease in router.resolver.gateways()] == ["g1.e2"]


async def test_a_dead_gateways_name_is_taken_when_its_lease_ends_and_not_before(router: Router) -> None:
    with loop_thread() as thread:
        dead = Gateway(router.new_registrar(), "g1", "e1")
        thread.run(dead.start())
        thread.die()
        start = time.monotonic()
        taking = asyncio.create_task(router.gateway("g1", "e2"))
        while addresses := [lease.address for lease in router.resolver.gateways() if lease.epoch == "e1"]:
            assert addresses == ["g1.e1"]
            assert not taking.done()
            await asyncio.sleep(0.01)
        next_life = await taking
        assert time.monotonic() - start < 2 * LEASE_S
        assert next_life.registrar.connected
        assert (next_life.reregistered, next_life.lost) == (0, [])


async def test_of_two_that_wait_for_a_name_one_gets_it(router: Router) -> None:
    with loop_thread() as thread:
        dead = Gateway(router.new_registrar(), "g1", "e1")
        thread.run(dead.start())
        thread.die()
        waiting = [Gateway(router.new_registrar(), "g1", epoch) for epoch in ("e2", "e3")]
        outcomes = await asyncio.gather(*(gateway.start() for gateway in waiting), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Gateway, NameTaken}
        for gateway in waiting:
            await gateway.registrar.close()


@pytest.mark.slow
async def test_a_gateway_that_stood_still_leaves_its_name_to_its_successor(router: Router) -> None:
    with loop_thread() as thread:
        stalled = Gateway(router.new_registrar(), "g1", "e1")
        thread.run(stalled.start())
        thread.run(stalled.login("alice"))
        thread.run(stalled.enter("team"))
        thread.stall(3 * LEASE_S)
        successor = await router.gateway("g1", "e2")
        await successor.login("bob")
        await until(lambda: len(stalled.lost) == 1)
        assert stalled.lost[0].holder.address == "g1.e2"
        assert not stalled.registrar.connected
        with pytest.raises(RouterAway):
            thread.run(stalled.login("carol"))
        assert router.resolver.resolve(["alice", "bob", "carol"], ["team"]) == ({"bob": ["g1.e2"]}, {})
        await asyncio.sleep(2 * LEASE_S)
        thread.run(stalled.registrar.close())
        assert [lease.address for lease in router.resolver.gateways()] == ["g1.e2"]
        assert (stalled.reregistered, len(stalled.lost)) == (0, 1)
        assert (successor.reregistered, successor.lost) == (0, [])


async def test_workers_are_known_until_they_withdraw(router: Router) -> None:
    resolver = router.resolver
    assert resolver.workers() == []
    resolver.announce_worker("w2", "e1")
    resolver.announce_worker("w1", "e1")
    resolver.announce_worker("w1", "e1")
    assert resolver.workers() == ["w1", "w2"]
    resolver.withdraw_worker("w2", "e1")
    assert resolver.workers() == ["w1"]


async def test_a_former_life_does_not_withdraw_the_next(router: Router) -> None:
    resolver = router.resolver
    resolver.announce_worker("w1", "e1")
    resolver.announce_worker("w1", "e2")
    resolver.withdraw_worker("w1", "e1")
    assert resolver.workers() == ["w1"]
    resolver.withdraw_worker("w1", "e2")
    assert resolver.workers() == []
    resolver.withdraw_worker("never", "e1")


async def test_both_ends_tell_their_state_in_one_line(router: Router) -> None:
    gateway = await router.gateway()
    for end in (gateway.registrar, router.resolver):
        assert "\n" not in repr(end)
    assert "g1.e1" in repr(gateway.registrar)
    assert "live" in repr(gateway.registrar)


async def test_a_later_login_has_a_higher_number_wherever_it_is(router: Router) -> None:
    first, second = await router.gateway("g1"), await router.gateway("g2")
    known = await first.registrar.register(Route("alice", 1, "web", "d1", "s1", 1_795_309_909_181, "web"))
    later = await second.registrar.register(Route("alice", 1, "web", "d2", "s2", 7, "web"))
    again = await first.registrar.register(Route("alice", 2, "app", "d3", "s3", 1_795_309_999_999, "app"))
    assert known == 1_795_309_909_181
    assert later == known + 1, "its clock is behind: it is the later one all the same"
    assert again == 1_795_309_999_999
    assert await first.registrar.register(Route("bob", 3, "web", "d4", "s4", 5, "web")) == 5


async def test_a_login_too_many_is_refused_and_leaves_nothing(router: Router) -> None:
    first, second = await router.gateway("g1"), await router.gateway("g2")
    for number, slot in enumerate(("a", "b", ""), 1):
        await (first if number % 2 else second).registrar.register(Route("alice", number, "web", "", "s", 1, slot), 3)
    with pytest.raises(TooManyConnections):
        await second.registrar.register(Route("alice", 9, "web", "", "s", 1, "c"), 3)
    with pytest.raises(TooManyConnections):
        await second.registrar.register(Route("alice", 9, "web", "", "s", 1, ""), 3)
    assert {route.connection for _, route in await second.registrar.rivals(["alice"])} == {1, 3}
    assert {route.connection for _, route in await first.registrar.rivals(["alice"])} == {2}
    assert await second.registrar.register(Route("alice", 9, "web", "", "s", 1, "a"), 3) > 1, "it takes a slot"


async def test_those_that_a_later_login_has_replaced_count_once(router: Router) -> None:
    """Their gateways may not have heard of it yet."""
    first, second = await router.gateway("g1"), await router.gateway("g2")
    for number in range(1, 6):
        await (first if number % 2 else second).registrar.register(Route("alice", number, "web", "", "s", 1, "web"), 2)
    await first.registrar.register(Route("alice", 9, "app", "", "s", 1, "app"), 2)
    with pytest.raises(TooManyConnections):
        await second.registrar.register(Route("alice", 9, "pc", "", "s", 1, "pc"), 2)


async def test_what_a_dead_gateway_left_is_no_connection_too_many_and_no_rival(router: Router) -> None:
    living = await router.gateway("g2")
    with loop_thread() as thread:
        dead = Gateway(router.new_registrar(), "g1")
        thread.run(dead.start())
        for number in (1, 2):
            thread.run(dead.registrar.register(Route("alice", number, "web", "", "s", number), 2))
        thread.die()
        await until(lambda: [lease.id for lease in router.resolver.gateways()] == ["g2"])
        assert await living.registrar.register(Route("alice", 1, "web", "", "s", 1), 2) == 3
        assert await living.registrar.rivals(["alice"]) == []


async def test_rivals_are_the_connections_of_these_users_elsewhere(router: Router) -> None:
    first, second = await router.gateway("g1"), await router.gateway("g2")
    await first.login("alice")
    there = Route("alice", 5, "pc", 'a "device" / of\\hers', "s5", 0, "slöt")
    login = await second.registrar.register(there)
    await second.login("carol")
    assert await first.registrar.rivals(["alice", "bob"]) == [("g2.e1", dataclasses.replace(there, login=login))]
    assert await first.registrar.rivals([]) == []
