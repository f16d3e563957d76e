"""The gateways that live and their queues, as a worker last heard; and where the router has users and groups.

Law: a router that does not answer costs speed, never a push. Frames then go to every gateway last known to live.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from router.interface import Resolver, RouterAway

Addresses = dict[str, list[str]]
"""{user or group: addresses of gateways, `{gateway}.{epoch}`}"""

REFRESH_S = 1.0
AWAY_S = 1.0


class Gateways:
    """What one worker knows of gateways; for one thread. `live` {address: the number of its queue}; an address is
    `{gateway}.{epoch}`."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._refreshed = float("-inf")
        self._away_until = float("-inf")
        self.live: dict[str, int] = {}
        self._heard: set[str] = set()

    def __repr__(self) -> str:
        return f"Gateways(live={sorted(self.live)}, router={'up' if self.is_router_up else 'away'})"

    @property
    def is_router_up(self) -> bool:
        """Whether to ask the router: False for 1 s after it did not answer."""
        return time.monotonic() >= self._away_until

    def refresh(self, *, now_please: bool = False) -> None:
        """Ask the router which gateways live, at most once a second unless `now_please`. While it does not answer, its
        last answer stands. Raises nothing."""
        now = time.monotonic()
        if now - self._refreshed < REFRESH_S and not now_please:
            return
        self._refreshed = now
        try:
            leases = {lease.address: lease.queue for lease in self._resolver.gateways()}
        except RouterAway:
            self._away_until = time.monotonic() + AWAY_S
            return
        heard, self._heard = self._heard, set()
        self.live = {a: max(leases.get(a, 1), self.live.get(a, 1)) for a in leases.keys() | heard}

    def heard_of(self, queues: Iterable[tuple[str, int]]) -> None:
        """Commands have just come from these (address, number of its queue): they live, whatever the last refresh said.
        The highest number counts, since a command that came back names a queue of former times."""
        for address, number in queues:
            self._heard.add(address)
            self.live[address] = max(number, self.live.get(address, 1))

    def locate(self, users: Collection[str], groups: Collection[str]) -> tuple[Addresses, Addresses]:
        """({user: addresses}, {group: addresses}), of live gateways only; a user or group that nobody holds may be
        missing. While the router is away each has all live gateways. Raises nothing."""
        if not users and not groups:
            return {}, {}
        if self.is_router_up:
            try:
                at, held = self._resolver.resolve(users, groups)
                return self._living(at, is_user=True), self._living(held, is_user=False)
            except RouterAway:
                # One slow answer is enough: asking again for each batch would make every batch slow.
                self._away_until = time.monotonic() + AWAY_S
        everywhere = sorted(self.live)
        return dict.fromkeys(users, everywhere), dict.fromkeys(groups, everywhere)

    def _living(self, found: Addresses, *, is_user: bool) -> Addresses:
        stale: dict[str, list[str]] = {}
        for name, addresses in found.items():
            for address in addresses:
                if address not in self.live:
                    stale.setdefault(address, []).append(name)
        if not stale:
            return found
        self.refresh(now_please=True)
        for address, names in stale.items():
            if address not in self.live and self.is_router_up:
                self._forget(names, address, is_user=is_user)
        return {name: [a for a in addresses if a in self.live] for name, addresses in found.items()}

    def _forget(self, names: list[str], address: str, *, is_user: bool) -> None:
        try:
            self._resolver.forget(names if is_user else (), () if is_user else names, address)
        except RouterAway:
            self._away_until = time.monotonic() + AWAY_S
