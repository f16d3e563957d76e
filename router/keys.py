"""Every key of Redis, and its time to live beside it.

Laws: the name under which an address is held (`user:alice`, `group:team`) is itself the key of what it names. Routes
have no time to live: an idle connection costs Redis nothing, and what a dead gateway left is swept by the others.
"""

from __future__ import annotations

GATEWAYS = "gateways"
"""Set of the addresses ever announced and not yet swept."""

WORKERS = "workers"
"""Set of the names of ordered workers; who of them lives is told by `worker:{name}`."""

LEASE_MS = 10_000
WORKER_MS = 10_000


def gateway(gateway_id: str) -> str:
    """The lease of a gateway, JSON, for LEASE_MS. nginx reads it too."""
    return f"gateway:{gateway_id}"


def user(user_id: str) -> str:
    """Hash of a user's connections: `{address}#{connection}` to what is known of it, JSON."""
    return f"user:{user_id}"


def user_of(key: str) -> str:
    """Whose key of `user` it is."""
    return key.partition(":")[2]


def at(user_id: str) -> str:
    """The addresses that hold a user, separated by spaces; kept in step with `user:`."""
    return f"at:{user_id}"


def group(group_id: str) -> str:
    """The addresses that hold a connected member of a group, separated by spaces."""
    return f"group:{group_id}"


def held(address: str) -> str:
    """Set of the `user:` and `group:` names that an address holds: how its entries are found when it is dead."""
    return f"held:{address}"


def worker(name: str) -> str:
    """The epoch of an ordered worker, for WORKER_MS."""
    return f"worker:{name}"


def connection_field(address: str, connection: int) -> str:
    """The field of one connection in `user:`."""
    return f"{address}#{connection}"
