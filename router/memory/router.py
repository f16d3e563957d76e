"""The router of standalone: the same promises within one process (interface.Registrar, interface.Resolver).

One object, safe for any thread: gateways write from their event loops, workers read from their threads. It cannot go
away; a lease can lapse here too, when a loop stood still for its length.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import defaultdict
from collections.abc import Iterable

from router.interface import LEASE_S, RENEW_S, GatewayLease, Route, Snapshot, TooManyConnections
from router.leasing import Claim, judge
from router.memory.registrar import MemoryRegistrar


class MemoryRouter:
    """Leases, routes and groups by address. `lease_s` and `renew_s` are shorter in tests."""

    def __init__(self, lease_s: float = LEASE_S, renew_s: float = RENEW_S) -> None:
        self.lease_s = lease_s
        self.renew_s = renew_s
        self._lock = threading.RLock()
        self._leases: dict[str, tuple[GatewayLease, float]] = {}
        self._workers: dict[str, tuple[str, float]] = {}
        self._users: dict[str, dict[str, dict[int, Route]]] = {}
        self._groups: dict[str, set[str]] = {}
        self._held: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)

    def __repr__(self) -> str:
        return f"MemoryRouter({len(self._leases)} gateways, {len(self._users)} users, {len(self._groups)} groups)"

    def registrar(self) -> MemoryRegistrar:
        """The end of one gateway."""
        return MemoryRegistrar(self)

    def resolver(self) -> MemoryResolver:
        """The end of one worker."""
        return MemoryResolver(self)

    # --- gateways write ---

    def claim(self, lease: GatewayLease) -> Claim:
        """Take the lease or renew it, unless another life has it."""
        with self._lock:
            former, until = self._leases.get(lease.id, (lease, 0.0))
            left_s = until - time.monotonic()
            if left_s > 0 and former.address != lease.address:
                return judge(lease.address, former, left_s)
            self._leases[lease.id] = (lease, time.monotonic() + self.lease_s)
            return judge(lease.address, former if left_s > 0 else None, self.lease_s)

    def resign(self, lease: GatewayLease) -> None:
        """Give a lease up, and all that its address holds."""
        with self._lock:
            if self._lives(lease.address):
                del self._leases[lease.id]
            self._release_all(lease.address)

    def register(self, address: str, route: Route) -> None:
        """Note one connection of a user."""
        with self._lock:
            self._users.setdefault(route.user, {}).setdefault(address, {})[route.connection] = route
            self._held[address].add(("user", route.user))

    def log_in(self, address: str, route: Route, at_most: int) -> int:
        """Note a new connection with a login above all others of its user."""
        with self._lock:
            known = [
                (at, other)
                for at, others in self._users.get(route.user, {}).items()
                for other in others.values()
                if (at, other.connection) != (address, route.connection)
            ]
            # Of a slot the last one stays: those before it have lost, and perhaps not heard of it yet.
            others = {
                other.slot or (at, other.connection)
                for at, other in known
                if (not route.slot or other.slot != route.slot) and (at == address or self._lives(at))
            }
            if at_most and len(others) >= at_most:
                raise TooManyConnections(f"{route.user} has {at_most} connections")
            login = max([route.login, *(other.login + 1 for _, other in known)])
            self.register(address, dataclasses.replace(route, login=login))
            return login

    def rivals(self, address: str, users: Iterable[str]) -> list[tuple[str, Route]]:
        """The connections of these users at other gateways that live."""
        with self._lock:
            return [
                (at, route)
                for user in users
                for at, routes in self._users.get(user, {}).items()
                if at != address and self._lives(at)
                for route in routes.values()
            ]

    def unregister(self, address: str, route: Route) -> None:
        """Delete one connection, and the address with the last of that user there."""
        with self._lock:
            connections = self._users.get(route.user, {}).get(address, {})
            connections.pop(route.connection, None)
            if not connections:
                self._release("user", route.user, address)

    def enter(self, address: str, groups: Iterable[str]) -> None:
        """The address holds a member of each group."""
        with self._lock:
            for group in groups:
                self._groups.setdefault(group, set()).add(address)
                self._held[address].add(("group", group))

    def leave(self, address: str, groups: Iterable[str]) -> None:
        """The address holds no member of these any more."""
        with self._lock:
            for group in groups:
                self._release("group", group, address)

    def restore(self, address: str, snapshot: Snapshot) -> None:
        """Hold for this address exactly what the snapshot says."""
        with self._lock:
            self._release_all(address)
            for route in snapshot.routes:
                self.register(address, route)
            self.enter(address, snapshot.groups)

    def sweep(self) -> None:
        """Delete what dead gateways left."""
        with self._lock:
            for address in list(self._held):
                if not self._lives(address):
                    self._release_all(address)

    # --- workers ask ---

    def gateways(self) -> list[GatewayLease]:
        """The gateways that live."""
        with self._lock:
            return [lease for lease, until in self._leases.values() if time.monotonic() < until]

    def resolve(self, users: Iterable[str], groups: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Who holds these users and groups."""
        with self._lock:
            return (
                {user: list(self._users[user]) for user in users if user in self._users},
                {group: list(self._groups[group]) for group in groups if group in self._groups},
            )

    def forget(self, users: Iterable[str], groups: Iterable[str], address: str) -> None:
        """Delete what a dead gateway left under these names."""
        with self._lock:
            if self._lives(address):
                return
            for user in users:
                self._release("user", user, address)
            for group in groups:
                self._release("group", group, address)

    def announce_worker(self, worker: str, epoch: str) -> None:
        """A worker lives for another lease."""
        with self._lock:
            self._workers[worker] = (epoch, time.monotonic() + LEASE_S)

    def workers(self) -> list[str]:
        """The workers that live."""
        with self._lock:
            return sorted(name for name, (_, until) in self._workers.items() if time.monotonic() < until)

    def withdraw_worker(self, worker: str, epoch: str) -> None:
        """A worker stops; a later life of the same name stays announced."""
        with self._lock:
            if self._workers.get(worker, ("", 0.0))[0] == epoch:
                del self._workers[worker]

    # --- within the lock ---

    def _lives(self, address: str) -> bool:
        return any(lease.address == address and time.monotonic() < until for lease, until in self._leases.values())

    def _release(self, kind: str, name: str, address: str) -> None:
        if kind == "user":
            self._users.get(name, {}).pop(address, None)
            if not self._users.get(name, True):
                del self._users[name]
        else:
            self._groups.get(name, set()).discard(address)
            if not self._groups.get(name, True):
                del self._groups[name]
        held = self._held[address]
        held.discard((kind, name))
        if not held:
            del self._held[address]

    def _release_all(self, address: str) -> None:
        for kind, name in list(self._held.get(address, ())):
            self._release(kind, name, address)


class MemoryResolver:
    """A worker's end: interface.Resolver."""

    def __init__(self, router: MemoryRouter) -> None:
        self._router = router
        self.gateways = router.gateways
        self.resolve = router.resolve
        self.forget = router.forget
        self.announce_worker = router.announce_worker
        self.workers = router.workers
        self.withdraw_worker = router.withdraw_worker

    def __repr__(self) -> str:
        return f"MemoryResolver({self._router!r})"
