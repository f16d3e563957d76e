"""What stands in Redis as JSON: the lease of a gateway and one connection of a user. Pure."""

from __future__ import annotations

from protocol import codec
from router.interface import GatewayLease, Route


def write_lease(lease: GatewayLease) -> bytes:
    """`{"id":"g1","epoch":"k3","host":"127.0.0.1","port":9001,"state":"up","connections":17}`"""
    return codec.write(
        {
            "id": lease.id,
            "epoch": lease.epoch,
            "host": lease.host,
            "port": lease.port,
            "state": lease.state,
            "connections": lease.connections,
        }
    )


def read_lease(text: str) -> GatewayLease:
    """The lease of what `write_lease` wrote."""
    value = codec.read(text)
    return GatewayLease(value["id"], value["epoch"], value["host"], value["port"], value["state"], value["connections"])


def write_route(route: Route) -> bytes:
    """`{"terminal":"web","device":"d1","session":"s1","login":5}`"""
    return codec.write(
        {"terminal": route.terminal, "device": route.device, "session": route.session, "login": route.login}
    )
