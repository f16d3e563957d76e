"""The names of the queues, and nothing else about them.

`ordered.{partition}` one owner each; `parallel` any number of consumers; `gateway.{id}.{epoch}` one gateway's life;
`dead` what no worker could carry out.
"""

from __future__ import annotations

PARALLEL = "parallel"
DEAD = "dead"


def ordered(partition: int) -> str:
    return f"ordered.{partition}"


def partition_of_queue(queue: str) -> int | None:
    """The partition of an ordered queue; None for another queue."""
    name, _, partition = queue.partition(".")
    return int(partition) if name == "ordered" else None


def gateway(address: str) -> str:
    """The queue of the gateway at `address`, which is `{id}.{epoch}`."""
    return f"gateway.{address}"
