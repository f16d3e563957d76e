"""RabbitMQ: how to connect, which queues there are and with which arguments.

- Queues of commands are durable and bounded by bytes; a full one rejects what comes next and never drops what it holds.
- A gateway's queue lives as long as its consumer and is bounded by count; it drops its oldest, which its link's numbers
  show as a hole.
- Bodies are transient, dead letters persistent. Everything goes through the default exchange, unconfirmed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from bus import queues
from bus.interface import COMMANDS_BYTES, GATEWAY_BODIES, BusLost

GATEWAY_EXPIRES_MS = 60_000
CONNECT_TIMEOUT_S = 5.0

TRANSIENT = pika.BasicProperties(delivery_mode=1)

# pika reports every failed attempt as an error with its traceback; losses are reported once each, by this package.
logging.getLogger("pika").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class RabbitAddress:
    """Where the broker is, and as whom to log in. A peer silent for `heartbeat_s` plus 5 s counts as lost."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    virtual_host: str = "/"
    heartbeat_s: int = 5


def parameters(address: RabbitAddress, name: str, blocked_timeout_s: float) -> pika.ConnectionParameters:
    """pika's parameters; `name` is what operators see in the broker's list of connections."""
    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=address.virtual_host,
        credentials=pika.PlainCredentials(address.user, address.password),
        heartbeat=address.heartbeat_s,
        blocked_connection_timeout=blocked_timeout_s,
        socket_timeout=CONNECT_TIMEOUT_S / 2,
        stack_timeout=CONNECT_TIMEOUT_S,
        client_properties={"connection_name": name},
    )


@contextmanager
def bus_lost() -> Iterator[None]:
    """Turn whatever pika and the socket raise into BusLost."""
    try:
        yield
    except (AMQPError, AMQPConnectorException, OSError) as error:
        raise BusLost(repr(error)) from error


def durable_queues(partitions: int) -> dict[str, dict[str, Any]]:
    """The arguments of each durable queue, by name."""
    bounded = {"x-max-length-bytes": COMMANDS_BYTES, "x-overflow": "reject-publish"}
    ordered = {**bounded, "x-single-active-consumer": True}
    return {
        **dict.fromkeys(queues.all_ordered(partitions), ordered),
        **dict.fromkeys(queues.NAMED, bounded),
        queues.DEAD: {},
    }


def gateway_arguments() -> dict[str, Any]:
    """The arguments of a gateway's queue. It also expires, should its gateway die before it consumes."""
    return {"x-expires": GATEWAY_EXPIRES_MS, "x-max-length": GATEWAY_BODIES, "x-overflow": "drop-head"}


def dead_letter_properties(reason: str) -> pika.BasicProperties:
    return pika.BasicProperties(delivery_mode=2, headers={"reason": reason})
