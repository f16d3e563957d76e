"""What a bus promises, whether RabbitMQ or memory carries it. tests/contract/ holds both to it.

- A queue keeps the order of one publisher. What was taken and not acked comes back in order, marked `redelivered`,
  when its consumer's connection or channel ends.
- An ordered queue has one active consumer at a time; the others wait in line.
- Publishing is neither confirmed nor durable: what must not be lost is committed in the store, and a lost command is
  a `timeout` that its client repeats. Publishing to a queue that does not exist drops the body silently.
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
    """The connection to the broker ended: whatever was taken and not acked now belongs to somebody else."""


class Put(Enum):
    """What became of a body that a gateway published."""

    ACCEPTED = "accepted"
    BLOCKED = "blocked"  # the broker is out of memory or disk, or does not drain: answer `busy`
    DOWN = "down"  # there is no connection: answer `busy`


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body taken from a queue. `tag` belongs to the bus: what it needs to ack."""

    queue: str
    body: bytes
    redelivered: bool
    tag: Any = field(repr=False)


OnMessage = Callable[[bytes, Callable[[], None]], None]
"""Called on the gateway's loop with a body and a function that acks it; deliveries come in order."""

OnState = Callable[[bool], None]
"""Called on the gateway's loop: True at each new connection (its queue then stands, empty), False at each loss."""


class GatewayBus(Protocol):
    """A gateway's end, on its event loop; never blocks. Reconnects by itself until closed."""

    async def start(self, address: str, on_message: OnMessage, on_state: OnState) -> None:
        """Declare `gateway.{address}`, consume it, and return once that stands for the first time."""

    def publish(self, queue: str, body: bytes) -> Put:
        """Send `body` to a worker's queue, in the order of calls."""
        ...

    @property
    def connected(self) -> bool: ...

    async def stop_consuming(self) -> None:
        """Take no more messages; publishing still works."""

    async def close(self) -> None: ...


class WorkerBus(Protocol):
    """A worker's end. One thread owns it; only `wake` may be called from another."""

    def connect(self) -> None:
        """Connect, declare every durable queue and subscribe to the queues of this worker.

        Tries again with backoff until it succeeds or `close` was called; raises BusLost only then.
        """

    def take(self, wait_s: float) -> list[Delivery]:
        """What has arrived since the last call, in order within each queue; waits up to `wait_s` if there is nothing.

        Carries heartbeats, so call it at least every 2 s. Raises BusLost.
        """
        ...

    def publish(self, queue: str, body: bytes) -> None:
        """Send; all bodies of one worker to one queue stay in order. Raises BusLost."""

    def ack(self, deliveries: list[Delivery]) -> None:
        """These are done with, all that they caused is published. Raises BusLost."""

    def dead_letter(self, body: bytes, reason: str) -> None:
        """Put `body` in the queue `dead` (persistent), with its reason in a header. Raises BusLost."""

    def slow_down(self, queue: str) -> None:
        """Let at most one unacked message of `queue` come from now on: the first step of giving it up."""

    def give_up(self, queue: str) -> None:
        """Hand `queue` to the next in line, and stand at the back of that line.

        Everything published before is with its queue first. What was taken and not acked goes to the next owner.
        """

    def wake(self) -> None:
        """Make a waiting `take` return at once. From any thread."""

    def close(self) -> None:
        """Close the connection; unacked messages go to others. From the owning thread."""
