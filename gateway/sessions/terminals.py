"""Which connections of a user may stand side by side: by default one at each terminal (protocol.md section 4, 4006).

Laws: of a user's connections in one slot the one with the highest login stays, whichever gateways hold them; so two
logins at once leave exactly one. A login closes other connections only once its session is found to stand, and by a
takeover, which goes the way of every push. A gateway that missed a takeover learns of it from the router, when it
learns everything else again.
"""

from __future__ import annotations

import dataclasses

import structlog

from gateway.clients.closing import close, kick
from gateway.clients.connection import Connection
from gateway.clients.hub import Hub
from gateway.clients.session import State
from protocol.addresses import connection_name
from protocol.clock import now_ms
from protocol.errors import Close
from protocol.models import Takeover
from router.interface import Registrar, Route, RouterAway, TooManyConnections

REPLACED = "replaced"

log = structlog.get_logger()


def slot_of(connections_per: str, terminal: str, device: str, session: str) -> str:
    """The place that a connection takes, by `connections_per`: that of the user, of the terminal or of the device. Each
    place holds one connection; a client that names no device is known by its session. "" where there is no limit."""
    if connections_per == "unlimited":
        return ""
    if connections_per == "user":
        return "user"
    return terminal if connections_per == "terminal" else f"{terminal} {device or session}"


class Terminals:
    """`at_most` connections of a user in the whole system, whatever their slots; one in each slot."""

    def __init__(self, hub: Hub, registrar: Registrar, connections_per: str, at_most: int) -> None:
        self._hub = hub
        self._registrar = registrar
        self._connections_per = connections_per
        self._at_most = at_most
        # Connections that wait for the router, each with the highest takeover of its slot that came meanwhile.
        self._registering: dict[int, Takeover | None] = {}

    def __repr__(self) -> str:
        return f"Terminals(one per {self._connections_per}, {len(self._registering)} registering)"

    async def register(self, connection: Connection) -> None:
        """Give a login its route. Raises TooManyConnections. A router that is away gets the route later."""
        terminal, device, session = connection.terminal, connection.device, connection.session_id
        slot = slot_of(self._connections_per, terminal, device, session)
        route = Route(connection.user, connection.number, terminal, device, session, now_ms(), slot)
        connection.route = route
        self._registering[connection.number] = None
        try:
            login = await self._registrar.register(route, self._at_most)
        except RouterAway:
            log.debug("route_later", connection=connection.number)
            self._count_here(route)
            login = route.login
        finally:
            takeover = self._registering.pop(connection.number)
        connection.route = dataclasses.replace(route, login=login)
        if takeover is not None:
            self.take_over(takeover)

    def _count_here(self, route: Route) -> None:
        """All that is known while the router is away."""
        routes = [c.route for c in self._hub.of_user(route.user) if c.number != route.connection]
        others = [other for other in routes if other is not None and not (route.slot and other.slot == route.slot)]
        if len(others) >= self._at_most:
            raise TooManyConnections(f"{route.user} has {len(others)} connections here")

    def takeover_of(self, connection: Connection) -> Takeover | None:
        """What other gateways must hear when this connection logs in; None where it takes no connection's place."""
        route = connection.route
        return None if route is None or not route.slot else _takeover(route, connection.name)

    def take_over(self, takeover: Takeover) -> None:
        """A login took place, here or at another gateway: close our connections whose place it took."""
        for connection in self._hub.of_user(takeover.user):
            route = connection.route
            if route is None or route.slot != takeover.slot:
                continue
            if connection.number in self._registering:
                known = self._registering[connection.number]
                if known is None or _rank(known) < _rank(takeover):
                    self._registering[connection.number] = takeover
            elif _rank(_takeover(route, connection.name)) < _rank(takeover):
                _replace(connection, route, takeover)

    async def settle(self, users: list[str]) -> list[Takeover]:
        """Call when takeovers may have been missed. Closes the connections of these users whose place was taken, here
        or elsewhere; returns the takeovers that other gateways seem to have missed, as they still hold a connection in
        a place that was taken here. Without the router there are none: its return is one more reason to settle."""
        for connection in [c for user in users for c in self._hub.of_user(user)]:
            takeover = self.takeover_of(connection)
            if takeover is not None and connection.session.state is State.OPEN:
                self.take_over(takeover)
        try:
            rivals = await self._registrar.rivals(users)
        except RouterAway:
            return []
        unheard: dict[int, Takeover] = {}
        for address, rival in rivals:
            if not rival.slot:
                continue
            self.take_over(_takeover(rival, connection_name(address, rival.connection)))
            for connection in self._hub.of_user(rival.user):
                route = connection.route
                if route is not None and route.slot == rival.slot and connection.session.state is State.OPEN:
                    unheard[connection.number] = _takeover(route, connection.name)
        return list(unheard.values())


def _replace(connection: Connection, route: Route, takeover: Takeover) -> None:
    """Close without a word what the same device left behind; another device is told why."""
    if (route.device or route.session) == takeover.device:
        close(connection, Close.KICKED, REPLACED)
    else:
        kick(connection, REPLACED)


def _takeover(route: Route, name: str) -> Takeover:
    """The login of the connection called `name`, which has this route."""
    return Takeover(route.user, route.slot, route.login, route.device or route.session, name)


def _rank(takeover: Takeover) -> tuple[int, str]:
    """Logins are equal only where two gateways numbered them while the router was away."""
    return takeover.login, takeover.connection
