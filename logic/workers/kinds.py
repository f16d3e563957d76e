"""The kinds of workers: the row of a kind says how its processes are called, what they take and when they start.

Read by `python -m logic`, the cluster's scripts, standalone, the bench and the tests. logic/app.py makes the workers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bus import queues
from protocol.ops import ORDERED, PARALLEL


@dataclass(frozen=True)
class WorkerKind:
    """`python -m logic NAME` runs one worker of this kind. Its processes are called `{prefix}1`, `{prefix}2` ... and
    serve their metrics on the ports from cluster.first_metrics_port + `port_offset` on. Kinds of a lower `rank` start
    first and stop last. `processes` is how many run where the configuration does not say (for ordered ones it does:
    cluster.workers). `runs`: one thread that owns conversations, or lanes of threads that take the commands of the
    queue `name`."""

    name: str
    prefix: str
    runs: Literal["owner", "pool"]
    port_offset: int
    rank: int
    processes: int = 1

    def queues(self, partitions: int) -> list[str]:
        """The names of the queues from which its processes take."""
        return queues.all_ordered(partitions) if self.runs == "owner" else [self.name]


KINDS: dict[str, WorkerKind] = {
    kind.name: kind
    for kind in (
        WorkerKind(ORDERED, "w", "owner", port_offset=0, rank=1),
        WorkerKind(PARALLEL, "p", "pool", port_offset=90, rank=1),
    )
}


def kind_of(process: str) -> WorkerKind | None:
    """The kind of the worker process called `process`, such as "w2"; None where that is no worker's name."""
    named = re.fullmatch(r"([a-z]+)\d+", process)
    return next((kind for kind in KINDS.values() if named and kind.prefix == named.group(1)), None)
