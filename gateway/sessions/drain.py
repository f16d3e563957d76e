"""An orderly stop as its clients see it: all are told to come back elsewhere, a few at a time.

Laws: connections that wait for answers go last, and get them unless that takes longer than a request may. No client is
told to stay away for more than a second: the storm is spread because the clients that are still here are served here.
"""

from __future__ import annotations

import asyncio
import random
import time

from gateway.clients.closing import restart
from gateway.clients.connection import Connection
from gateway.clients.hub import Hub

SLICE_S = 0.1
CONNECTIONS_PER_S = 50  # a gateway with few connections need not take the whole time
AFTER_MS = 1000


async def send_everyone_away(hub: Hub, spread_s: float, answer_s: float) -> None:
    """Send all connections away within `spread_s`, and within `answer_s` more where they wait for answers."""
    leaving = list(hub.connections.values())
    random.shuffle(leaving)
    slices = max(1, round(min(spread_s, len(leaving) / CONNECTIONS_PER_S) / SLICE_S))
    waiting: list[Connection] = []
    for number in range(slices):
        waiting += _send_away(leaving[number::slices])
        if number + 1 < slices:
            await asyncio.sleep(SLICE_S)
    give_up = time.monotonic() + answer_s
    while waiting and time.monotonic() < give_up:
        await asyncio.sleep(SLICE_S / 10)
        waiting = _send_away(waiting)
    # Connections that came in the meantime, or got no answer in time.
    for connection in list(hub.connections.values()):
        restart(connection, random.randrange(AFTER_MS))


def _send_away(connections: list[Connection]) -> list[Connection]:
    """Send away all connections that wait for no answer; returns the others."""
    waiting = []
    for connection in connections:
        if connection.is_closed:
            continue
        if connection.pending:
            waiting.append(connection)
        else:
            restart(connection, random.randrange(AFTER_MS))
    return waiting
