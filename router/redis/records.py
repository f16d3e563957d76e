"""What stands in Redis as JSON: the lease of a gateway and one connection of a user. Pure."""

from __future__ import annotations

from protocol import codec
from router.interface import GatewayLease, Route


def write_lease(lease: GatewayLease) -> bytes:
    """`{"id":"g1","epoch":"k3","host":"127.0.0.1","port":9001,"tcp_port":9101,"state":"up","connections":17,
    "queue":1}`"""
    return codec.write(
        {
            "id": lease.id,
            "epoch": lease.epoch,
            "host": lease.host,
            "port": lease.port,
            "tcp_port": lease.tcp_port,
            "state": lease.state,
            "connections": lease.connections,
            "queue": lease.queue,
        }
    )


def read_lease(text: str) -> GatewayLease:
    """The lease of what `write_lease` wrote; a gateway of an older version gives no `tcp_port` or `queue`."""
    value = codec.read(text)
    return GatewayLease(
        value["id"],
        value["epoch"],
        value["host"],
        value["port"],
        value["state"],
        value["connections"],
        value.get("tcp_port", 0),
        value.get("queue", 1),
    )


def write_route(route: Route) -> bytes:
    """`{"terminal":"web","device":"d1","session":"s1","login":5,"slot":"web"}`"""
    return codec.write(
        {
            "terminal": route.terminal,
            "device": route.device,
            "session": route.session,
            "login": route.login,
            "slot": route.slot,
        }
    )


def read_route(user: str, connection: int, text: str) -> Route:
    """The route of what `write_route` wrote; what Lua wrote again may give the login as 5.0."""
    value = codec.read(text)
    return Route(
        user,
        connection,
        value["terminal"],
        value["device"],
        value["session"],
        int(value["login"]),
        value.get("slot", ""),
    )
