"""Register everything that a gateway holds, and nothing else: after its start, and after every loss.

Law: a name is never missing in between. What is held stays held, what is new is added, what is held no more goes last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter

from router.interface import Route, Snapshot
from router.redis.commands import Command, GatewayCommands
from router.redis.ordered_connection import OrderedConnection

CHUNK = 200


async def restore(connection: OrderedConnection, commands: GatewayCommands, snapshot: Snapshot) -> None:
    """Make Redis hold for the gateway of `commands` exactly what `snapshot` says. Raises RouterAway."""
    for batch in _chunks(_registrations(commands, snapshot.routes)):
        await connection.run(batch)
    for start in range(0, len(snapshot.groups), CHUNK):
        await connection.run([commands.enter(snapshot.groups[start : start + CHUNK])])
    await _release_the_rest(connection, commands, snapshot)


def _registrations(commands: GatewayCommands, routes: Sequence[Route]) -> Iterator[Command]:
    by_user = attrgetter("user")
    for _, connections in groupby(sorted(routes, key=by_user), by_user):
        yield commands.register(list(connections))


def _chunks(commands: Iterator[Command]) -> Iterator[list[Command]]:
    while batch := list(islice(commands, CHUNK)):
        yield batch


async def _release_the_rest(connection: OrderedConnection, commands: GatewayCommands, snapshot: Snapshot) -> None:
    """Removals that were lost with the connection, found by what Redis holds and the gateway does not."""
    keys = commands.keys
    wanted = {keys.user(route.user) for route in snapshot.routes} | set(map(keys.group, snapshot.groups))
    cursor = "0"
    while True:
        [(cursor, names)] = await connection.run([commands.held(cursor, CHUNK)])
        strangers = [name for name in names if name not in wanted]
        if strangers:
            await connection.run([commands.release(strangers)])
        if cursor == "0":
            return
