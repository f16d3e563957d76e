"""The kinds of workers: one row each says what its processes are called, what they take and when they start.

Read by `python -m logic`, the cluster's scripts, standalone, the bench and the tests. How one is made: logic/app.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bus import queues
from protocol.ops import ORDERED, PARALLEL


@dataclass(frozen=True)
class WorkerKind:
    """`python -m logic NAME` runs one; its processes are `{prefix}1`, `{prefix}2` ... on the ports from
    cluster.first_metrics_port + `port_offset` on. Kinds of a lower `rank` start first and stop last. `processes` is how
    many run where the configuration does not say (cluster.workers, for ordered ones)."""

    name: str
    prefix: str
    port_offset: int
    rank: int
    processes: int = 1

    def queues(self, partitions: int) -> list[str]:
        """What its processes take from."""
        return queues.all_ordered(partitions) if self.name == ORDERED else [self.name]


KINDS: dict[str, WorkerKind] = {
    kind.name: kind
    for kind in (
        WorkerKind(ORDERED, "w", port_offset=0, rank=1),
        WorkerKind(PARALLEL, "p", port_offset=90, rank=1),
    )
}


def kind_of(process: str) -> WorkerKind | None:
    """The kind of the worker process of that name, such as "w2"; None where it is no worker's."""
    named = re.fullmatch(r"([a-z]+)\d+", process)
    return next((kind for kind in KINDS.values() if named and kind.prefix == named.group(1)), None)
