"""The connections of a gateway, by number, user and session; and how a push finds them.

Law: a frame is framed once a door. Pushes are dropped while `is_trusted` is False: what the gateway knows of its users
may be stale, and the resync that follows brings them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from gateway.clients.connection import Connection, Forget, Wire
from gateway.clients.membership import Membership
from gateway.clients.outgoing import Outgoing
from gateway.clients.session import OPEN
from gateway.metrics import PUSHES_SKIPPED, TRANSIENTS_DROPPED
from protocol.addresses import connection_name
from protocol.models import Push
from router.interface import Route, Snapshot

Framing = Callable[[bytes], bytes]
NO_CONNECTIONS: dict[int, Connection] = {}
USERS_A_STEP = 256  # of a group: some 0.5 ms of work


class FramedPush:
    """A push on its way to connections: framed once for each door."""

    __slots__ = ("_excluded", "_framings", "_payload", "_terminals", "is_transient")

    def __init__(self, push: Push) -> None:
        self._payload = bytes(push.frame)
        self._framings: dict[Framing, bytes] = {}
        self._excluded = push.excluded
        self._terminals = push.terminals
        self.is_transient = push.transient

    def is_for(self, connection: Connection) -> bool:
        """Whether the connection is logged in, did not send this itself, and is at a terminal that is meant."""
        return (
            connection.session.state is OPEN
            and connection.name != self._excluded
            and (self._terminals is None or connection.terminal in self._terminals)
        )

    def framed(self, framing: Framing) -> bytes:
        framed = self._framings.get(framing)
        if framed is None:
            framed = self._framings[framing] = framing(self._payload)
        return framed


class Hub:
    """`address` is the gateway's, `{gateway}.{epoch}`: the names of its connections begin with it."""

    def __init__(self, address: str, outgoing: Outgoing) -> None:
        self._address = address
        self._put = outgoing.put
        self._numbers = itertools.count(1)
        self._users: dict[str, dict[int, Connection]] = {}
        self.connections: dict[int, Connection] = {}
        self.membership = Membership()
        self.is_trusted = True

    def __repr__(self) -> str:
        trust = "trusted" if self.is_trusted else "refreshing"
        return f"Hub({len(self.connections)} connections, {len(self._users)} users, {self.membership}, {trust})"

    def open(self, wire: Wire, forget: Forget, address: str = "") -> Connection:
        """A new connection, of a peer at `address`."""
        number = next(self._numbers)
        name = connection_name(self._address, number)
        connection = self.connections[number] = Connection(number, name, wire, self._put, forget, address)
        return connection

    def remove(self, connection: Connection) -> None:
        self.connections.pop(connection.number, None)

    def enter(self, connection: Connection) -> None:
        """The connection belongs to its user from now on: pushes reach it once its session is open."""
        self._users.setdefault(connection.user, {})[connection.number] = connection
        self.membership.track(connection.user)

    def leave(self, connection: Connection) -> list[str]:
        """The connection has ended. Returns the groups of which no member is left here."""
        mine = self._users.get(connection.user)
        if mine is None or mine.pop(connection.number, None) is None or mine:
            return []
        del self._users[connection.user]
        return self.membership.forget(connection.user)

    def of_user(self, user: str) -> list[Connection]:
        return list(self._users.get(user, {}).values())

    def users(self) -> list[str]:
        return list(self._users)

    def of_sessions(self, sessions: Iterable[str]) -> list[Connection]:
        """The connections of these sessions. Revocations are rare: a look at all beats an index kept for each login."""
        wanted = set(sessions)
        return [c for c in self.connections.values() if c.session_id in wanted]

    def opened(self) -> list[Connection]:
        """Every connection that is logged in."""
        return [c for c in self.connections.values() if c.session.state is OPEN]

    def snapshot(self) -> Snapshot:
        """All routes and groups, for a router that has forgotten them."""
        routes: list[Route] = [c.route for c in self.connections.values() if c.route is not None]
        return Snapshot(routes, self.membership.groups())

    def push(self, push: Push) -> Iterator[None] | None:
        """Collect a push for the connections that it is for. That to a group does so as it is iterated, and yields now
        and then so that the caller may pause."""
        if push.group:
            return self._push_to_group(push)
        if self.is_trusted:
            framed = FramedPush(push)
            for user in push.users:
                self._collect(user, framed)
        return None

    def _push_to_group(self, push: Push) -> Iterator[None]:
        """A push may repeat an old message: members who joined after it may not read it."""
        framed = FramedPush(push)
        for place, (user, joined_seq) in enumerate(list(self.membership.members(push.group).items())):
            if place % USERS_A_STEP == 0:
                yield
            if not self.is_trusted:
                return
            if joined_seq <= push.seq or not push.seq:
                self._collect(user, framed)

    def _collect(self, user: str, push: FramedPush) -> None:
        put = _offer if push.is_transient else self._put
        for connection in self._users.get(user, NO_CONNECTIONS).values():
            if push.is_for(connection):
                if connection.skips_pushes:
                    _skip(connection, push)
                else:
                    put(connection, push.framed(connection.wire.framed))


def _offer(connection: Connection, framed: bytes) -> None:
    if not connection.offer(framed):
        TRANSIENTS_DROPPED.count += 1


def _skip(connection: Connection, push: FramedPush) -> None:
    if push.is_transient:
        TRANSIENTS_DROPPED.count += 1
    else:
        PUSHES_SKIPPED.count += 1
        connection.has_missed = True
