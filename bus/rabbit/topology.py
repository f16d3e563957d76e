"""RabbitMQ: how to connect, which queues there are and with which arguments.

- Queues of commands are durable and bounded by bytes; a full one refuses the next body and drops none that it holds.
- A gateway's queue lives as long as its consumer and is bounded by count; a full one drops its oldest body, which the
  numbers of its link show as a hole. It is durable, though nothing in it must be kept: RabbitMQ 4.3 has no others.
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
DEAD_LETTER_S = 30 * 86_400
CONNECT_TIMEOUT_S = 5.0

TRANSIENT = pika.BasicProperties(delivery_mode=1)

# pika logs every failed attempt with its traceback; this package logs each loss itself, once.
logging.getLogger("pika").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class RabbitAddress:
    """Where the broker is, and as whom to log in. A peer that was silent between two looks counts as lost;
    pika looks each `heartbeat_s` + 5 s, so that takes at most twice as long."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    virtual_host: str = "/"
    heartbeat_s: int = 5


def parameters(address: RabbitAddress, name: str, blocked_timeout_s: float) -> pika.ConnectionParameters:
    """pika's parameters. `name` is shown in the broker's list of connections. A connection whose publishers the broker
    blocks is given up after `blocked_timeout_s` seconds."""
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
    """Raise BusLost in place of anything that pika or the socket raises within."""
    try:
        yield
    except (AMQPError, AMQPConnectorException, OSError) as error:
        raise BusLost(repr(error)) from error


def durable_queues(partitions: int) -> dict[str, dict[str, Any]]:
    """{name: arguments} of each durable queue."""
    bounded = {"x-max-length-bytes": COMMANDS_BYTES, "x-overflow": "reject-publish"}
    ordered = {**bounded, "x-single-active-consumer": True}
    return {
        **dict.fromkeys(queues.all_ordered(partitions), ordered),
        **dict.fromkeys(queues.NAMED, bounded),
        queues.DEAD: {},
    }


def gateway_arguments() -> dict[str, Any]:
    """The arguments of a gateway's queue. It expires after 60 s without a consumer: its gateway died before it could
    consume, or the broker has come back with it."""
    return {"x-expires": GATEWAY_EXPIRES_MS, "x-max-length": GATEWAY_BODIES, "x-overflow": "drop-head"}


def dead_letter_properties(reason: str, keep_s: int) -> pika.BasicProperties:
    """The properties of a body in the queue `dead`: persistent, with `reason` in a header; the broker drops it after
    `keep_s` seconds, once it is the oldest there."""
    return pika.BasicProperties(delivery_mode=2, headers={"reason": reason}, expiration=str(keep_s * 1000))
