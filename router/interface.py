"""What a router promises, whether Redis or memory holds it. tests/contract/ holds both to it.

The router is soft state that gateways rebuild, never the truth. An *address* is `{gateway}.{epoch}`, so that what a
former life of a gateway wrote is recognised and deleted by whoever meets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from protocol.addresses import socket_place

LEASE_S = 10.0
RENEW_S = 3.0


class RouterAway(Exception):
    """The router did not answer in time: it is soft state, so go on without it."""


class NameTaken(Exception):
    """Another gateway of this name lives; the message says what to do. `holder` is its lease."""

    def __init__(self, holder: GatewayLease) -> None:
        place = socket_place(holder.host, holder.port)
        super().__init__(
            f"another gateway named {holder.id} lives, at {place}. Give this one a name of its own (--name); if the "
            f"other belongs to another deployment on the same Redis, give this deployment a prefix of its own (prefix "
            f"below [router])."
        )
        self.holder = holder


class TooManyConnections(Exception):
    """The user has as many connections as one may have."""


@dataclass(frozen=True, slots=True)
class Route:
    """One connection of a user, as the router keeps it.

    `login` rises with each login of the user: of two connections with the same `slot` the one with the higher login
    stays. "" is nobody's slot.
    """

    user: str
    connection: int
    terminal: str
    device: str
    session: str
    login: int
    slot: str = ""


@dataclass(frozen=True, slots=True)
class GatewayLease:
    """A gateway that lives: `state` is up or draining; nginx finds it at `host`, `port` and `tcp_port` (0: none),
    workers by the number of its `queue` (bus/queues.py)."""

    id: str
    epoch: str
    host: str
    port: int
    state: str
    connections: int
    tcp_port: int = 0
    queue: int = 1

    @property
    def address(self) -> str:
        return f"{self.id}.{self.epoch}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a gateway holds: what it registers again after a loss."""

    routes: list[Route] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


class Registrar(Protocol):
    """A gateway's end, on its event loop. Every write goes over one connection, in the order of the calls.

    It renews the lease every 3 s. After any loss (connection, changed run id, expired lease, failed registration) it
    registers everything of `snapshot()` again and then calls `on_reregistered`.

    A name has one holder. Where another life holds the lease (it was killed, or this one stood still for so long that
    it was taken for dead), it is watched: a lease that runs out is taken, a renewed one means that the other lives.
    Then this one has lost: it forgets its entries and is not `connected` any more.
    """

    async def start(
        self,
        lease: Callable[[], GatewayLease],
        snapshot: Callable[[], Snapshot],
        on_reregistered: Callable[[], None],
        on_name_lost: Callable[[NameTaken], None],
    ) -> None:
        """Take the name, announce the gateway, sweep what dead gateways left, and keep the lease.

        Returns within some 10 s, which is how long the lease of a killed namesake stands, and even when the router is
        away; it then goes on trying. Raises NameTaken, some 3 s after a call that finds a living namesake; one that is
        found later is told to `on_name_lost`, once.
        """

    async def register(self, route: Route, at_most: int = 0) -> int:
        """Returns, when the router has the route, the login that it has there: its own, or one above the highest of
        that user. Raises RouterAway, and the route is then registered later; TooManyConnections, where `at_most` is
        not 0 and the user has that many at living gateways, besides those whose slot this one takes; of each other
        slot one counts."""

    def unregister(self, route: Route) -> None:
        """Queue the removal; nobody waits for it."""

    async def enter_groups(self, groups: Iterable[str]) -> None:
        """This gateway now holds a member of each. Returns when the router has it. Raises RouterAway."""

    def leave_groups(self, groups: Iterable[str]) -> None:
        """This gateway holds no member of these any more; queued."""

    async def rivals(self, users: Iterable[str]) -> list[tuple[str, Route]]:
        """The connections of these users at other gateways that live, each with its address. Raises RouterAway."""

    async def renew(self) -> None:
        """Write the lease now, not in 3 s: its state changed. Raises RouterAway, also where it is another's."""

    @property
    def connected(self) -> bool: ...

    async def close(self) -> None:
        """Give the lease up, unless it is another's, and forget this epoch's entries, as far as the router answers
        within 1 s."""


class Resolver(Protocol):
    """A worker's end, blocking, for one thread (or a lock of its own). Each call answers within 100 ms or raises
    RouterAway."""

    def gateways(self) -> list[GatewayLease]:
        """The gateways that live now."""
        ...

    def resolve(self, users: Iterable[str], groups: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The addresses that hold each user and each group, by one read; whoever is nowhere has no entry."""
        ...

    def forget(self, users: Iterable[str], groups: Iterable[str], address: str) -> None:
        """Delete what a dead gateway left under these users and groups."""

    def announce_worker(self, worker: str, epoch: str) -> None:
        """This ordered worker lives for another 10 s."""

    def workers(self) -> list[str]:
        """The names of the ordered workers that live, ascending."""
        ...

    def withdraw_worker(self, worker: str, epoch: str) -> None:
        """This worker stops: others need not wait for its announcement to expire."""
