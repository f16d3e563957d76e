"""How gateways and their connections are called everywhere else: built here, once each. Pure.

The epoch tells what a gateway writes in this life from what a former life wrote. An id may hold dots, an epoch may not.
"""

from __future__ import annotations


def gateway_address(gateway: str, epoch: str) -> str:
    """`{gateway}.{epoch}`: where answers go."""
    return f"{gateway}.{epoch}"


def connection_name(address: str, number: int) -> str:
    """`{gateway}.{epoch}.{number}`: one connection of the gateway at `address`."""
    return f"{address}.{number}"
