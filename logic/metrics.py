"""The figures of a worker for Prometheus; the whole process shares them."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import Counter, Gauge, Histogram

from logic.outcome import Outcome
from protocol.models import ReceiveInfo

COMMANDS = Counter("hongyan_commands", "Commands carried out, by op and outcome code", ["op", "code"])
BATCHES = Histogram("hongyan_batch_commands", "Commands in a batch", buckets=(1, 3, 10, 30, 100, 300, 1000))
PURGED = Counter("hongyan_purged_rows", "Rows deleted because their time was over, by kind", ["kind"])
PURGE_SECONDS = Histogram(
    "hongyan_purge_transaction_seconds",
    "How long one transaction of a purge took",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3),
)
PARTITIONS = Gauge("hongyan_partition_held", "1 where commands come to this worker from the partition", ["partition"])


def count_commands(decided: list[tuple[ReceiveInfo, Outcome]]) -> None:
    """Count the commands of a batch by op and outcome code: one step for each pair of labels, not for each command."""
    for (op, code), number in Tally((envelope.op, outcome.code) for envelope, outcome in decided).items():
        COMMANDS.labels(op, code).inc(number)
