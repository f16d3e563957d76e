"""The ports that components are about to listen on: all are looked at before the first component is started."""

from __future__ import annotations

import ipaddress
import socket
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from ops.probes import port_trouble
from ops.processes import ProcessFailed
from protocol.addresses import socket_place

LOOPBACK = "127.0.0.1"


class Port(NamedTuple):
    """Where the component `name` will listen, and the environment's name of the setting that moves it."""

    name: str
    host: str
    number: int
    variable: str


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
                variables = " and ".join(dict.fromkeys(port.variable for port in rivals))
                trouble.append(f"{names} are all to listen on port {number} ({variables})")
            elif reason := port_trouble(rivals[0].host, number):
                place = socket_place(rivals[0].host, number)
                trouble.append(f"{names} cannot listen on {place} ({rivals[0].variable}): {reason}")
    if trouble:
        raise ProcessFailed("; ".join(trouble) + ". Choose another by the setting named, or in the configuration.")


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
