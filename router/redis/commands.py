"""Each question and write of a gateway as one Redis command: a tuple of its words. Pure.

The scripts are called by their SHA-1, which a connection loads before its first write (`ALL`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from router.interface import GatewayLease, Route
from router.leasing import Claim, judge
from router.redis import lua
from router.redis.address import gateway_and_epoch
from router.redis.keys import Keys, connection_field
from router.redis.records import read_lease, read_route, write_lease, write_route

Word = str | bytes | int
Command = tuple[Word, ...]


def _sha(script: str) -> str:
    return hashlib.sha1(script.encode()).hexdigest()


_LOGIN = _sha(lua.LOGIN)
_RIVALS = _sha(lua.RIVALS)
_REGISTER = _sha(lua.REGISTER)
_UNREGISTER = _sha(lua.UNREGISTER)
_ENTER = _sha(lua.ENTER)
_RELEASE = _sha(lua.RELEASE)
_SWEEP = _sha(lua.SWEEP)
_CLAIM = _sha(lua.CLAIM)
_RESIGN = _sha(lua.RESIGN)

ALL: tuple[str, ...] = (
    lua.LOGIN,
    lua.RIVALS,
    lua.REGISTER,
    lua.UNREGISTER,
    lua.ENTER,
    lua.RELEASE,
    lua.SWEEP,
    lua.CLAIM,
    lua.RESIGN,
)
"""The scripts that these commands call."""


class GatewayCommands:
    """Those of one life of a gateway, which is at `address`."""

    def __init__(self, keys: Keys, address: str) -> None:
        self.keys, self.address = keys, address
        self._prefix = keys.prefix
        self._held = keys.held(address)
        self._life = gateway_and_epoch(address)

    def __repr__(self) -> str:
        return f"GatewayCommands({self._prefix}, {self.address})"

    def claim(self, lease: GatewayLease, lease_ms: int) -> Command:
        """Take the lease or renew it, unless another life has it; the answer is for `read_claim`."""
        return ("EVALSHA", _CLAIM, 0, self._prefix, *self._life, write_lease(lease), lease_ms)

    def read_claim(self, answer: Sequence[Any]) -> Claim:
        former, left_ms = answer
        return judge(self.address, read_lease(former) if former else None, left_ms / 1000)

    def announce(self) -> Command:
        """Be found by whoever sweeps."""
        return ("SADD", self.keys.gateways(), self.address)

    def announced(self) -> Command:
        return ("SMEMBERS", self.keys.gateways())

    def login(self, route: Route, at_most: int) -> Command:
        """Note a new connection; answers with its login, or -1 where the user has `at_most` others already."""
        return ("EVALSHA", _LOGIN, *self._of_user(route.user), self._field(route), write_route(route), at_most)

    def rivals(self, users: Sequence[str]) -> Command:
        """The connections of these users elsewhere; the answer is for `read_rivals`."""
        return ("EVALSHA", _RIVALS, len(users), *map(self.keys.user, users), self._prefix, self.address)

    def read_rivals(self, answer: Sequence[str]) -> list[tuple[str, Route]]:
        """The address and the route of each."""
        found = []
        for key, place, value in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
            address, _, connection = place.rpartition("#")
            found.append((address, read_route(self.keys.user_of(key), int(connection), value)))
        return found

    def register(self, routes: Sequence[Route]) -> Command:
        """Note connections of one user: no others of that user count at this address any more."""
        command: list[Word] = ["EVALSHA", _REGISTER, *self._of_user(routes[0].user)]
        for route in routes:
            command += (self._field(route), write_route(route))
        return tuple(command)

    def unregister(self, route: Route) -> Command:
        return ("EVALSHA", _UNREGISTER, *self._of_user(route.user), self._field(route))

    def enter(self, groups: Sequence[str]) -> Command:
        names = map(self.keys.group, groups)
        return ("EVALSHA", _ENTER, 1 + len(groups), self._held, *names, self._prefix, self.address)

    def leave(self, groups: Iterable[str]) -> Command:
        return self.release(map(self.keys.group, groups))

    def release(self, names: Iterable[str]) -> Command:
        """Hold these names (keys `user` and `group`) no more."""
        return ("EVALSHA", _RELEASE, 0, self._prefix, self.address, *names)

    def held(self, cursor: str, count: int) -> Command:
        """A page of the names that are held."""
        return ("SSCAN", self._held, cursor, "COUNT", count)

    def sweep(self, address: str, count: int) -> Command:
        """Delete up to `count` names of a dead address; answers with how many are left, -1 where it lives."""
        return ("EVALSHA", _SWEEP, 0, self._prefix, address, *gateway_and_epoch(address), count)

    def resign(self) -> Command:
        """Give the lease up, unless another life has it."""
        return ("EVALSHA", _RESIGN, 0, self._prefix, *self._life)

    def _of_user(self, user: str) -> tuple[Word, ...]:
        """The keys of a script about one user, and its first two arguments."""
        return (3, self.keys.user(user), self.keys.at(user), self._held, self._prefix, self.address)

    def _field(self, route: Route) -> str:
        return connection_field(self.address, route.connection)
