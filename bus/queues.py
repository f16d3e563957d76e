"""The names of the queues, and nothing else about them. Pure.

`ordered.{partition}` has one owner at a time, a named queue such as `parallel` any number of consumers;
`gateway.{id}.{epoch}.{n}` is that of the n-th broker connection in one life of a gateway; `dead` holds commands that no
worker could carry out.
"""

from __future__ import annotations

from protocol import ids
from protocol.ops import ORDERED, WORKERS, Op

NAMED = tuple(sorted(WORKERS - {ORDERED}))
DEAD = "dead"


def ordered(partition: int) -> str:
    """`ordered.{partition}`, from 0."""
    return f"{ORDERED}.{partition}"


def all_ordered(partitions: int) -> list[str]:
    """The queues of all partitions, in their order."""
    return [ordered(partition) for partition in range(partitions)]


def of_command(op: Op, key: str, partitions: int) -> str:
    """The queue of a command: that of the owner of its `key`, or the one that its op names."""
    return op.queue if op.key is None else ordered(ids.partition_of(key, partitions))


def partition_of_queue(queue: str) -> int | None:
    """The partition of an ordered queue; None for any other queue."""
    name, _, partition = queue.partition(".")
    return int(partition) if name == ORDERED else None


def gateway(address: str, number: int) -> str:
    """The queue of the gateway at `address`, which is `{id}.{epoch}`, for its broker connection `number`, from 1."""
    return f"gateway.{address}.{number}"
