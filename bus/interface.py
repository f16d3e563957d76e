"""What a bus promises, whether RabbitMQ or memory carries it. tests/contract/ holds both to it.

- A queue keeps the order of one publisher. A body that was taken and not acked comes back in its place, marked
  `redelivered`, when its consumer's connection or channel ends.
- An ordered queue has one active consumer at a time; the others wait in line.
- Publishing is neither confirmed nor durable. Nothing depends on it: acknowledged writes are committed in the store,
  and a command that is lost ends as `timeout`, upon which its client repeats it. A body for a queue that does not exist
  is dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

COMMANDS_BYTES = 256 * 1024 * 1024
"""How much a queue of commands holds; a full one refuses what comes next."""

GATEWAY_BODIES = 20_000
"""How many bodies a gateway's queue holds; a full one drops its oldest, which its link's numbers show as a hole."""

GATEWAY_PREFETCH = 64
"""How many bodies a gateway is given before it acks one of them."""


class BusLost(Exception):
    """The connection to the broker ended: everything taken and not acked now goes to other consumers."""


class Put(Enum):
    """What became of a body that a gateway published. An accepted body may still be lost on its way."""

    ACCEPTED = "accepted"
    BLOCKED = "blocked"  # the broker is out of memory or disk, or takes no more: answer `busy`
    DOWN = "down"  # there is no connection: answer `busy`


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body taken from `queue`. `redelivered`: it may have been taken before. `tag` is the bus's own, for the ack."""

    queue: str
    body: bytes
    redelivered: bool
    tag: Any = field(repr=False)


OnMessage = Callable[[bytes, Callable[[], None]], None]
"""Called on the gateway's loop with a body and a function that acks it, in the order of the queue. A function that
raises is logged, and its body acked."""

OnState = Callable[[bool], None]
"""Called on the gateway's loop with True at each new connection, when its new queue exists, and with False at each
loss."""


class GatewayBus(Protocol):
    """A gateway's end. To be used on its event loop only, which it never blocks. Reconnects by itself until closed."""

    async def start(self, address: str, on_message: OnMessage, on_state: OnState) -> None:
        """Declare the queue `gateway.{address}.{queue_number}` and consume it. Returns when that is so for the first
        time, however long it takes, or when the bus is closed. To be called once."""

    @property
    def queue_number(self) -> int:
        """The number of its queue, from 1, which rises with each connection. Workers must be told it."""
        ...

    def publish(self, queue: str, body: bytes) -> Put:
        """Send `body` to a worker's queue; bodies for one queue stay in the order of the calls. Raises nothing."""
        ...

    @property
    def connected(self) -> bool:
        """Whether it consumes and can publish now."""
        ...

    async def stop_consuming(self) -> None:
        """Take no more bodies, for good; publishing still works. Returns within some 2 s."""

    async def close(self) -> None:
        """Close the connection; bodies published before are sent first, if the broker takes them within some 2 s."""


class WorkerBus(Protocol):
    """A worker's end. One thread owns it, and its calls may block; only `wake` may be called from another thread."""

    def connect(self) -> None:
        """Connect, declare every durable queue, and subscribe to the queues of this worker.

        Tries again, with pauses of up to 3 s, until it succeeds. Raises BusLost only where the bus was closed, or its
        worker is asked to stop.
        """

    def take(self, wait_s: float) -> list[Delivery]:
        """All deliveries that arrived since the last call, in order within each queue. Where there is none, waits for
        one up to `wait_s` seconds, or until `wake`.

        Sends heartbeats, too: call it at least every 2 s. Raises BusLost.
        """
        ...

    def publish(self, queue: str, body: bytes) -> None:
        """Send `body` to `queue`; bodies for one queue stay in the order of the calls. Where the broker blocks its
        publishers this blocks, up to 8 s. Raises BusLost."""

    def ack(self, deliveries: list[Delivery]) -> None:
        """Say that these deliveries are done with: everything that they caused is published. Those of a former
        connection are ignored. Raises BusLost."""

    def dead_letter(self, body: bytes, reason: str) -> None:
        """Put `body` into the queue `dead`, with `reason` in a header; it survives the broker's end. Raises BusLost."""

    def stop_taking(self, queue: str) -> None:
        """Take no more deliveries of `queue`, the first step of giving it up: what comes from now on stays unacked, and
        goes back to its place. Raises BusLost."""

    def give_up(self, queue: str) -> None:
        """Hand `queue` to the next consumer in line, and stand at the back of that line.

        Bodies published before reach their queues first. Deliveries taken from `queue` and not acked go to the next
        owner. Raises BusLost.
        """

    def wake(self) -> None:
        """Make a `take` that waits return at once. Any thread may call it; raises nothing."""

    def close(self) -> None:
        """Close the connection; unacked deliveries go to other consumers. Bodies published before reach their queues
        first. Raises nothing."""
