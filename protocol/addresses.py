"""The names of gateways and their connections, for queues, routes and logs; and how a socket's place is written. Pure.

The epoch is new with each start of a gateway: it tells entries of this life from those of a former one. An id may hold
dots, an epoch may not.
"""

from __future__ import annotations


def gateway_address(gateway: str, epoch: str) -> str:
    """`{gateway}.{epoch}`: one life of a gateway, to which answers and pushes are addressed."""
    return f"{gateway}.{epoch}"


def connection_name(address: str, number: int) -> str:
    """`{gateway}.{epoch}.{number}`: connection `number` (from 1) of the gateway at `address`."""
    return f"{address}.{number}"


def socket_place(host: str, port: int) -> str:
    """`host:port`, for URLs, configurations and logs; an IPv6 address stands in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
