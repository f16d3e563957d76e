"""Where Redis is, and how a gateway's address splits into its id and its epoch."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One Redis server, or the door of a Sentinel deployment."""

    host: str
    port: int
    password: str = field(default="", repr=False)


def gateway_and_epoch(address: str) -> tuple[str, str]:
    """The two parts of `{gateway}.{epoch}`. A gateway's id may hold dots, an epoch may not."""
    gateway, _, epoch = address.rpartition(".")
    return gateway, epoch
