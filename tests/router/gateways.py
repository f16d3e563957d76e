"""Gateways as the router sees them: who is connected, what a snapshot holds, and how one dies."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from router.interface import GatewayLease, NameTaken, Registrar, Resolver, Route, Snapshot

T = TypeVar("T")


class Gateway:
    """One life of a gateway: its table of connections and groups, and its registrar."""

    def __init__(self, registrar: Registrar, gateway_id: str = "g1", epoch: str = "e1") -> None:
        self.registrar = registrar
        self.id = gateway_id
        self.epoch = epoch
        self.address = f"{gateway_id}.{epoch}"
        self.state = "up"
        self.routes: dict[int, Route] = {}
        self.groups: set[str] = set()
        self.reregistered = 0
        self.lost: list[NameTaken] = []
        self._numbers = itertools.count(1)

    def lease(self) -> GatewayLease:
        return GatewayLease(self.id, self.epoch, "127.0.0.1", 9001, self.state, len(self.routes))

    def snapshot(self) -> Snapshot:
        return Snapshot(list(self.routes.values()), sorted(self.groups))

    def _note_reregistered(self) -> None:
        self.reregistered += 1

    async def start(self) -> Gateway:
        await self.registrar.start(self.lease, self.snapshot, self._note_reregistered, self.lost.append)
        return self

    def connect(self, user: str) -> Route:
        """A connection that the router is not told of yet."""
        number = next(self._numbers)
        route = Route(user, number, "web", f"d{number}", f"s{number}", number)
        self.routes[number] = route
        return route

    async def login(self, user: str) -> Route:
        route = self.connect(user)
        await self.registrar.register(route)
        return route

    def logout(self, route: Route) -> None:
        del self.routes[route.connection]
        self.registrar.unregister(route)

    async def enter(self, *groups: str) -> None:
        self.groups.update(groups)
        await self.registrar.enter_groups(groups)

    def leave(self, *groups: str) -> None:
        self.groups.difference_update(groups)
        self.registrar.leave_groups(groups)


class LoopThread:
    """An event loop on a thread of its own, so that what runs on it can stall or die without a word."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def stall(self, seconds: float) -> None:
        """The loop stands still from now on, for so long."""
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    def die(self) -> None:
        """Nothing on this loop runs any more; its sockets stay open."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def bury(self) -> None:
        """Free what a dead or living loop holds."""
        if self._thread.is_alive():
            self.die()
        burying = threading.Thread(target=self._cancel_all)
        burying.start()
        burying.join()

    def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks))
        self._loop.close()


@contextmanager
def loop_thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    try:
        yield thread
    finally:
        thread.bury()


async def until(what: Callable[[], bool], seconds: float = 10.0) -> float:
    """Ask again and again until `what` is true; how long it took. Fails after `seconds`."""
    start = time.monotonic()
    while not await asyncio.to_thread(what):
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - start


def holders(resolver: Resolver, user: str) -> list[str]:
    return sorted(resolver.resolve([user], [])[0].get(user, []))


def group_holders(resolver: Resolver, group: str) -> list[str]:
    return sorted(resolver.resolve([], [group])[1].get(group, []))


async def worst_lag(work: Awaitable[Any]) -> float:
    """The longest that the loop stood still while `work` ran, in seconds."""
    worst, loop = 0.0, asyncio.get_running_loop()

    async def probe() -> None:
        nonlocal worst
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            worst = max(worst, loop.time() - before - 0.005)

    probing = asyncio.create_task(probe())
    await work
    probing.cancel()
    return worst
