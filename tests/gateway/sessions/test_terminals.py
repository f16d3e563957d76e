"""One connection a slot, whichever gateways hold them, whatever is lost on the way. Gateways' parts over one router."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clients.connection import Connection
from gateway.clients.hub import Hub
from gateway.clients.outgoing import Outgoing
from gateway.clients.session import State
from gateway.sessions.terminals import Terminals, slot_of
from protocol.errors import Close
from protocol.models import Takeover
from router.interface import GatewayLease, Route, RouterAway, Snapshot, TooManyConnections
from router.memory.registrar import MemoryRegistrar
from router.memory.router import MemoryRouter
from tests.gateway.conftest import NewSite
from tests.gateway.wires import KeptWire


class Registrar(MemoryRegistrar):
    """A gateway's end of the router, which may be away, or slow to answer."""

    is_away = False
    pause: Callable[[], Any] | None = None

    async def register(self, route: Route, at_most: int = 0) -> int:
        if self.is_away:
            raise RouterAway("away")
        login = await super().register(route, at_most)
        if self.pause is not None:
            await self.pause()
        return login

    async def rivals(self, users: Any) -> list[tuple[str, Route]]:
        if self.is_away:
            raise RouterAway("away")
        return await super().rivals(users)


class Gateway:
    """The parts of a gateway that a login concerns. `heard` are the takeovers that its logins send."""

    def __init__(self, router: MemoryRouter, name: str, connections_per: str, at_most: int, heard: list[Takeover]):
        self.address = f"{name}.e"
        self.hub = Hub(self.address, Outgoing(1_000_000, 60.0))
        self.registrar = Registrar(router)
        self.terminals = Terminals(self.hub, self.registrar, connections_per, at_most)
        self.heard = heard

    async def start(self) -> None:
        lease = GatewayLease(self.address[:-2], "e", "", 0, "up", 0)
        await self.registrar.start(lambda: lease, Snapshot, lambda: None, lambda taken: None)

    def _forget(self, connection: Connection) -> None:
        self.hub.remove(connection)
        self.hub.leave(connection)
        if connection.route is not None:
            self.registrar.unregister(connection.route)

    async def login(self, user: str, terminal: str = "web", device: str = "d1", session: str = "s") -> Connection:
        connection = self.hub.open(KeptWire(), self._forget)
        connection.user, connection.terminal, connection.device = user, terminal, device
        connection.session_id = session
        self.hub.enter(connection)
        connection.session.move(State.OPENING)
        await self.terminals.register(connection)
        if not connection.is_closed:
            connection.session.move(State.OPEN)
            takeover = self.terminals.takeover_of(connection)
            if takeover is not None:
                self.heard.append(takeover)
        return connection


class World:
    """Gateways over one router. Takeovers arrive when `tell` is called, and are lost by `lose`."""

    def __init__(self, connections_per: str = "terminal", count: int = 2, at_most: int = 10) -> None:
        self.router = MemoryRouter()
        self.heard: list[Takeover] = []
        self.gateways = [
            Gateway(self.router, f"g{n}", connections_per, at_most, self.heard) for n in range(1, count + 1)
        ]

    async def __aenter__(self) -> list[Gateway]:
        for gateway in self.gateways:
            await gateway.start()
        return self.gateways

    async def __aexit__(self, *failure: object) -> None:
        for gateway in self.gateways:
            await gateway.registrar.close()

    def tell(self) -> None:
        for takeover in self.heard:
            for gateway in self.gateways:
                gateway.terminals.take_over(takeover)
        self.heard.clear()

    def lose(self) -> None:
        self.heard.clear()

    def open(self) -> list[Connection]:
        return [connection for gateway in self.gateways for connection in gateway.hub.opened()]


def _closes(connection: Connection) -> list[tuple[Close, str]]:
    assert isinstance(connection.wire, KeptWire)
    return connection.wire.closes


def _frames(connection: Connection) -> list[dict[str, Any]]:
    assert isinstance(connection.wire, KeptWire)
    return connection.wire.frames


REPLACED = [(Close.KICKED, "replaced")]


async def test_another_device_is_told_that_it_was_replaced() -> None:
    world = World()
    async with world as (first, second):
        old = await first.login("ann", device="phone")
        await second.login("ann", device="tablet")
        world.tell()
        assert _closes(old) == REPLACED
        assert _frames(old) == [{"op": "kicked", "data": {"reason": "replaced"}}]


@pytest.mark.parametrize("device", ["phone", ""])
async def test_the_same_device_again_needs_no_telling(device: str) -> None:
    """One that names no device is known by its session."""
    world = World()
    async with world as (first, second):
        old = await first.login("ann", device=device)
        new = await second.login("ann", device=device)
        world.tell()
        assert _closes(old) == REPLACED
        assert _frames(old) == []
        assert world.open() == [new]


@pytest.mark.parametrize(
    ("connections_per", "stay"),
    [
        ("user", ["web tablet"]),
        ("terminal", ["app phone", "web tablet"]),
        ("device", ["web phone", "app phone", "web tablet"]),
        ("unlimited", ["web phone", "web phone", "app phone", "web tablet"]),
    ],
)
async def test_how_many_stay_is_for_the_deployment_to_say(connections_per: str, stay: list[str]) -> None:
    world = World(connections_per)
    async with world as (first, second):
        other = await first.login("bob", "web", "phone")
        for gateway, terminal, device in (
            (first, "web", "phone"),
            (second, "web", "phone"),
            (second, "app", "phone"),
            (first, "web", "tablet"),
        ):
            await gateway.login("ann", terminal, device)
            world.tell()
        left = sorted(f"{c.terminal} {c.device}" for c in world.open() if c is not other)
        assert left == sorted(stay)
        assert not other.is_closed


def test_a_slot_cannot_be_forged_by_the_name_of_a_device() -> None:
    assert slot_of("device", "web", "", "s1") != slot_of("device", "web", "", "s2")
    assert slot_of("device", "web", "d", "s1") == slot_of("device", "web", "d", "s2")
    assert slot_of("device", "web", "d", "s") != slot_of("device", "app", "d", "s")


async def test_a_takeover_that_comes_late_closes_nobody_who_came_later() -> None:
    world = World()
    async with world as (first, second):
        await first.login("ann", device="a")
        late = world.heard.pop()
        newest = await second.login("ann", device="b")
        world.tell()
        second.terminals.take_over(late)
        first.terminals.take_over(late)
        assert world.open() == [newest]


async def test_a_takeover_that_overtakes_the_routers_answer_is_obeyed_after_it() -> None:
    world = World()
    async with world as (first, second):
        arrived, answer = asyncio.Event(), asyncio.Event()

        async def pause() -> None:
            arrived.set()
            await answer.wait()

        first.registrar.pause = pause
        slow = asyncio.create_task(first.login("ann", device="a"))
        await arrived.wait()
        newer = await second.login("ann", device="b")
        world.tell()
        answer.set()
        old = await slow
        assert _closes(old) == REPLACED
        assert world.open() == [newer]


async def test_while_the_router_is_away_the_later_one_stays() -> None:
    world = World()
    async with world as (first, second):
        old = await first.login("ann", device="a")
        first.registrar.is_away = second.registrar.is_away = True
        await asyncio.sleep(0.002)  # a clock's tick: logins are numbered by it now
        new = await second.login("ann", device="b")
        world.tell()
        assert old.is_closed
        assert world.open() == [new]


async def test_who_missed_a_takeover_learns_of_it_from_the_router() -> None:
    world = World()
    async with world as (first, second):
        await first.login("ann", device="a")
        new = await second.login("ann", device="b")
        world.lose()
        assert len(world.open()) == 2
        assert await first.terminals.settle(["ann"]) == []
        assert world.open() == [new]


async def test_who_was_not_heard_of_says_it_again() -> None:
    world = World()
    async with world as (first, second):
        await first.login("ann", device="a")
        new = await second.login("ann", device="b")
        world.lose()
        world.heard += await second.terminals.settle(["ann"])
        world.tell()
        assert world.open() == [new]
        assert await second.terminals.settle(["ann"]) == []


async def test_too_many_are_refused_also_while_the_router_is_away() -> None:
    world = World("unlimited", at_most=3)
    async with world as (first, second):
        for gateway in (first, second, first):
            await gateway.login("ann")
        with pytest.raises(TooManyConnections):
            await second.login("ann")
        first.registrar.is_away = True
        await first.login("ann")  # it knows of its own two
        with pytest.raises(TooManyConnections):
            await first.login("ann")


Steps = list[tuple[int, str, str, str]]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["web", "app"]),
            st.sampled_from(["a", "b", ""]),
            st.sampled_from(["tell", "lose", "wait"]),
        ),
        max_size=20,
    )
)
async def test_in_the_end_the_last_of_each_terminal_is_left(steps: Steps) -> None:
    """Whatever was lost, once every gateway has settled."""
    world = World(count=3)
    async with world as gateways:
        last: dict[str, Connection] = {}
        for place, terminal, device, then in steps:
            last[terminal] = await gateways[place].login("ann", terminal, device)
            if then == "tell":
                world.tell()
            elif then == "lose":
                world.lose()
        for gateway in gateways:
            world.heard += await gateway.terminals.settle(["ann"])
        world.tell()
        assert set(map(id, world.open())) == set(map(id, last.values()))


async def test_two_logins_at_once_leave_exactly_one() -> None:
    world = World()
    async with world as gateways:
        await asyncio.gather(*(gateways[n % 2].login("ann", device=f"d{n}") for n in range(20)))
        world.tell()
        assert len(world.open()) == 1


async def test_over_a_real_gateway(new_site: NewSite) -> None:
    site = await new_site()
    old = await site.login("ann", device="a")
    elsewhere = await site.login("ann", terminal="app", device="a")
    same = await site.login("ann", device="b")
    assert await old.closed() == 4006
    assert old.frames[-1] == {"op": "kicked", "data": {"reason": "replaced"}}
    again = await site.login("ann", device="b")
    assert await same.closed() == 4006
    assert json.dumps(same.frames[1:]) == "[]"
    for client in (elsewhere, again):
        assert (await client.ask("sync", {"cursors": {}}))["op"] == "reply"


async def test_a_login_that_is_refused_replaces_nobody(new_site: NewSite) -> None:
    site = await new_site()
    old = await site.login("ann", "s1", device="a")
    site.worker.ended.add("s2")
    client = await site.connect()
    login = {"token": site.token("ann", "s2"), "terminal": "web", "device": "b"}
    assert (await client.ask("login", login))["op"] == "error"
    assert await client.closed() == 4004
    assert (await old.ask("sync", {"cursors": {}}))["op"] == "reply"
