"""A counter for events as frequent as frames: it costs an addition, where prometheus_client's own takes a lock.

Law: counted by one thread, the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class LoopCounter(Collector):
    """Add to `count`; shown as `{name}_total` like any counter."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self.count = 0
        REGISTRY.register(self)

    def __repr__(self) -> str:
        return f"LoopCounter({self._name} {self.count})"

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._documentation, value=self.count)
