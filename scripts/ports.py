"""The ports that components are about to listen on: all are looked at before the first component is started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from scripts.probes import port_trouble
from scripts.processes import ProcessFailed

LOOPBACK = "127.0.0.1"


class Port(NamedTuple):
    """Where the component `name` will listen."""

    name: str
    host: str
    number: int


def check(ports: Iterable[Port]) -> None:
    """Raises ProcessFailed with a line for each that cannot be had."""
    wanted: defaultdict[int, list[Port]] = defaultdict(list)
    for port in ports:
        wanted[port.number].append(port)
    trouble = []
    for number, users in wanted.items():
        names = " and ".join(port.name for port in users)
        if len(users) > 1:
            trouble.append(f"{names} are all to listen on port {number}")
        elif reason := port_trouble(users[0].host, number):
            trouble.append(f"{names} cannot listen on {users[0].host}:{number}: {reason}")
    if trouble:
        raise ProcessFailed("; ".join(trouble) + ". Choose another in the configuration.")
