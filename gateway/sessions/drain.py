"""An orderly stop as its clients see it: all are told to come back elsewhere, a few at a time.

Laws: who waits for an answer goes last, and gets it unless it takes longer than a request may. Nobody is told to stay
away for more than a second: what spreads the storm is that the others are still served here.
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
    """Send all connections away within `spread_s`; those that wait for answers within `answer_s` more."""
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
    # Whoever came in the meantime, or got no answer in time.
    for connection in list(hub.connections.values()):
        restart(connection, random.randrange(AFTER_MS))


def _send_away(connections: list[Connection]) -> list[Connection]:
    """Send those away that wait for nothing; the others."""
    waiting = []
    for connection in connections:
        if connection.is_closed:
            continue
        if connection.pending:
            waiting.append(connection)
        else:
            restart(connection, random.randrange(AFTER_MS))
    return waiting
