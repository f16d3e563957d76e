"""Each write of a gateway as one Redis command: a tuple of its words. Pure.

The scripts are called by their SHA-1, which a connection loads before its first write (`ALL`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from router import keys, lua
from router.address import gateway_and_epoch
from router.interface import GatewayLease, Route
from router.records import read_route, write_lease, write_route

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
_RESIGN = _sha(lua.RESIGN)

ALL: tuple[str, ...] = (
    lua.LOGIN,
    lua.RIVALS,
    lua.REGISTER,
    lua.UNREGISTER,
    lua.ENTER,
    lua.RELEASE,
    lua.SWEEP,
    lua.RESIGN,
)
"""The scripts that these commands call."""


def lease(value: GatewayLease, lease_ms: int) -> Command:
    """Write the lease; answers with the one that stood there, by which a loss is noticed."""
    return ("SET", keys.gateway(value.id), write_lease(value), "PX", lease_ms, "GET")


def announce(address: str) -> Command:
    """Be found by whoever sweeps."""
    return ("SADD", keys.GATEWAYS, address)


def announced() -> Command:
    return ("SMEMBERS", keys.GATEWAYS)


def login(address: str, route: Route, at_most: int) -> Command:
    """Note a new connection; answers with its login, or -1 where the user has `at_most` others already."""
    names = (keys.user(route.user), keys.at(route.user), keys.held(address))
    field = keys.connection_field(address, route.connection)
    return ("EVALSHA", _LOGIN, 3, *names, address, field, write_route(route), at_most)


def rivals(address: str, users: Sequence[str]) -> Command:
    """The connections of these users elsewhere, to be read by `read_rivals`."""
    return ("EVALSHA", _RIVALS, len(users), *map(keys.user, users), address)


def read_rivals(answer: Sequence[str]) -> list[tuple[str, Route]]:
    """The address and the route of each."""
    found = []
    for key, place, value in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
        address, _, connection = place.rpartition("#")
        found.append((address, read_route(keys.user_of(key), int(connection), value)))
    return found


def register(address: str, routes: Sequence[Route]) -> Command:
    """Note connections of one user: no others of that user count at this address any more."""
    user = routes[0].user
    command: list[Word] = ["EVALSHA", _REGISTER, 3, keys.user(user), keys.at(user), keys.held(address), address]
    for route in routes:
        command += (keys.connection_field(address, route.connection), write_route(route))
    return tuple(command)


def unregister(address: str, route: Route) -> Command:
    names = (keys.user(route.user), keys.at(route.user), keys.held(address))
    return ("EVALSHA", _UNREGISTER, 3, *names, address, keys.connection_field(address, route.connection))


def enter(address: str, groups: Sequence[str]) -> Command:
    return ("EVALSHA", _ENTER, 1 + len(groups), keys.held(address), *map(keys.group, groups), address)


def release(address: str, names: Iterable[str]) -> Command:
    """Hold these names (`user:alice`, `group:team`) no more."""
    return ("EVALSHA", _RELEASE, 0, address, *names)


def leave(address: str, groups: Iterable[str]) -> Command:
    return release(address, map(keys.group, groups))


def held(address: str, cursor: str, count: int) -> Command:
    """A page of the names that an address holds."""
    return ("SSCAN", keys.held(address), cursor, "COUNT", count)


def sweep(address: str, count: int) -> Command:
    """Delete up to `count` names of a dead address; answers with how many are left."""
    return ("EVALSHA", _SWEEP, 0, address, *gateway_and_epoch(address), count)


def resign(address: str) -> Command:
    return ("EVALSHA", _RESIGN, 0, *gateway_and_epoch(address))
