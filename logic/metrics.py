"""The figures of a worker, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter("hongyan_commands", "Commands carried out, by op and outcome code", ["op", "code"])
BATCHES = Histogram("hongyan_batch_commands", "Commands in a batch", buckets=(1, 3, 10, 30, 100, 300, 1000))
PARTITIONS = Gauge("hongyan_partition_held", "1 where commands come to this worker from the partition", ["partition"])
