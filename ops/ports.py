"""The ports that components are about to listen on: all are looked at before the first component is started."""

from __future__ import annotations

import ipaddress
import socket
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ops.probes import port_trouble
from ops.processes import ProcessFailed
from protocol.addresses import socket_place

LOOPBACK = "127.0.0.1"


RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")  # of Linux
RESERVED = RANGE.with_name("ip_local_reserved_ports")
ELSEWHERE = "49152 65535"


class Port(NamedTuple):
    """Where the component `name` will listen, and the environment's name of the setting that moves it; with its value,
    where the port is not this value itself but follows from it."""

    name: str
    host: str
    number: int
    variable: str
    follows_from: int | None = None

    @property
    def setting(self) -> str:
        """The setting in words."""
        if self.follows_from in (None, self.number):
            return self.variable
        return f"which follows from {self.variable}={self.follows_from}"


class Ephemeral(NamedTuple):
    """The ports, first to last, that the system gives to outgoing connections of all programs by itself, but for those
    that are reserved: any of them may be taken at any moment."""

    first: int
    last: int
    reserved: frozenset[int] = frozenset()

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last and port not in self.reserved


def ephemeral_ports() -> Ephemeral:
    """Those of this machine."""
    first, last = (RANGE.read_text() if RANGE.exists() else ELSEWHERE).split()
    reserved: set[int] = set()
    for part in RESERVED.read_text().strip().split(",") if RESERVED.exists() else ():
        if part:
            lowest, _, highest = part.partition("-")
            reserved.update(range(int(lowest), int(highest or lowest) + 1))
    return Ephemeral(int(first), int(last), frozenset(reserved))


def check(ports: Iterable[Port]) -> None:
    """Raises ProcessFailed, which names every port that cannot be listened on."""
    wanted: defaultdict[int, list[Port]] = defaultdict(list)
    for port in ports:
        wanted[port.number].append(port)
    trouble = []
    for number, users in wanted.items():
        for rivals in _at_one_place(users):
            names = " and ".join(port.name for port in rivals)
            if len(rivals) > 1:
                variables = " and ".join(dict.fromkeys(port.setting for port in rivals))
                trouble.append(f"{names} are all to listen on port {number} ({variables})")
            elif reason := port_trouble(rivals[0].host, number):
                place = socket_place(rivals[0].host, number)
                trouble.append(f"{names} cannot listen on {place} ({rivals[0].setting}): {reason}{_hint(number)}")
    if trouble:
        raise ProcessFailed("; ".join(trouble) + ". Choose another by the setting named, or in the configuration.")


def _hint(number: int) -> str:
    given = ephemeral_ports()
    if number not in given:
        return ""
    return f" (the system gives {given.first} to {given.last} to outgoing connections: better one outside of these)"


def _at_one_place(users: list[Port]) -> list[list[Port]]:
    """The users of one port number in groups: those of one group exclude each other, because they want the same address
    or one of them wants every address."""
    places: defaultdict[str, list[Port]] = defaultdict(list)
    for port in users:
        places[_address(port.host)].append(port)
    if any(_is_every_address(place) for place in places):
        return [users]
    return list(places.values())


def _address(host: str) -> str:
    """The IP address of `host`; `host` itself where it has none, which `port_trouble` will say."""
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except (socket.gaierror, UnicodeError):
        return host


def _is_every_address(place: str) -> bool:
    try:
        return ipaddress.ip_address(place).is_unspecified
    except ValueError:
        return False
