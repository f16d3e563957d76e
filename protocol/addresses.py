"""The names of gateways and their connections, for queues, routes and logs; how a socket's place is written; whose IP
addresses are one client's. Pure.

The epoch is new with each start of a gateway: it tells entries of this life from those of a former one. An id may hold
dots, an epoch may not.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

REMEMBERED = 4096  # reading an address takes as long as some dozen other steps of a login


def gateway_address(gateway: str, epoch: str) -> str:
    """`{gateway}.{epoch}`: one life of a gateway, to which answers and pushes are addressed."""
    return f"{gateway}.{epoch}"


def connection_name(address: str, number: int) -> str:
    """`{gateway}.{epoch}.{number}`: connection `number` (from 1) of the gateway at `address`."""
    return f"{address}.{number}"


def socket_place(host: str, port: int) -> str:
    """`host:port`, for URLs, configurations and logs; an IPv6 address stands in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@lru_cache(REMEMBERED)
def ip_of(address: str) -> IPv4Address | IPv6Address | None:
    """The address that the text names, an IPv4 one also where it is written as IPv6; None for what is none."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


@lru_cache(REMEMBERED)
def network_of(address: str) -> str:
    """Whose addresses are one client's: an IPv4 address, or the /64 of an IPv6 address; "" where it is not known."""
    found = ip_of(address)
    if found is None:
        return ""
    if isinstance(found, IPv4Address) or found.is_loopback:
        return str(found)
    return str(ip_network((int(found), 64), strict=False))
