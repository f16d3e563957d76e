"""The connections of a gateway, by number, user and session; and how a push finds them.

Law: a frame is framed once a door. Pushes are dropped while `is_trusted` is False: what the gateway knows of its users
may be stale, and the resync that follows brings them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from gateway.clients.connection import Connection
from gateway.clients.membership import Membership
from gateway.clients.outgoing import Outgoing
from gateway.clients.session import OPEN
from protocol.frames import write_frame
from protocol.models import Push
from router.interface import Route, Snapshot

Framing = Callable[[bytes], bytes]
NOBODY: dict[int, Connection] = {}
USERS_A_STEP = 256  # of a group: some 0.5 ms of work


class FramedPush:
    """A push on its way to connections: framed once for each door."""

    __slots__ = ("_excluded", "_framings", "_payload", "_terminals")

    def __init__(self, push: Push, prefix: str) -> None:
        self._payload = bytes(push.frame)
        self._framings: dict[Framing, bytes] = {}
        self._excluded = int(push.excluded[len(prefix) :]) if push.excluded.startswith(prefix) else 0
        self._terminals = push.terminals

    def is_for(self, connection: Connection) -> bool:
        """Whether it is logged in, is not the one that sent it, and is at a terminal that is meant."""
        return (
            connection.session.state is OPEN
            and connection.number != self._excluded
            and (self._terminals is None or connection.terminal in self._terminals)
        )

    def framed(self, framing: Framing) -> bytes:
        framed = self._framings.get(framing)
        if framed is None:
            framed = self._framings[framing] = framing(self._payload)
        return framed


class Hub:
    """`address` is the gateway's, as pushes name the connection that they exclude."""

    def __init__(self, address: str, outgoing: Outgoing) -> None:
        self._prefix = f"{address}."
        self._put = outgoing.put
        self._users: dict[str, dict[int, Connection]] = {}
        self.connections: dict[int, Connection] = {}
        self.membership = Membership()
        self.is_trusted = True

    def __repr__(self) -> str:
        trust = "trusted" if self.is_trusted else "refreshing"
        return f"Hub({len(self.connections)} connections, {len(self._users)} users, {self.membership}, {trust})"

    def add(self, connection: Connection) -> None:
        self.connections[connection.number] = connection

    def remove(self, connection: Connection) -> None:
        self.connections.pop(connection.number, None)

    def enter(self, connection: Connection) -> None:
        """The connection belongs to its user from now on: pushes reach it once its session is open."""
        self._users.setdefault(connection.user, {})[connection.number] = connection
        self.membership.track(connection.user)

    def leave(self, connection: Connection) -> list[str]:
        """It does not any more. Returns the groups of which nobody is left here."""
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

    def push_to_users(self, push: Push) -> None:
        """Collect a push for the connections of the users whom it names."""
        if self.is_trusted:
            framed = FramedPush(push, self._prefix)
            for user in push.users:
                self._collect(user, framed)

    def push_to_group(self, push: Push) -> Iterator[None]:
        """Collect a push for the members of its group, yielding now and then so that the caller may pause.

        A message sent again may be older than a membership: who joined after it may not read it.
        """
        framed = FramedPush(push, self._prefix)
        for place, (user, joined_seq) in enumerate(list(self.membership.members(push.group).items())):
            if place % USERS_A_STEP == 0:
                yield
            if not self.is_trusted:
                return
            if joined_seq <= push.seq or not push.seq:
                self._collect(user, framed)

    def _collect(self, user: str, framed: FramedPush) -> None:
        for connection in self._users.get(user, NOBODY).values():
            if framed.is_for(connection):
                self._put(connection, framed.framed(connection.wire.framed))


RESYNC = write_frame("resync")
