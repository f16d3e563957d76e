"""Giving partitions to the workers that should have them, one at a time (docs/architecture.md, "Who owns what").

RabbitMQ decides which worker is active in a partition. A worker with more than its share can only go to the back of the
line. A partition counts as `held` once something came from it: RabbitMQ does not tell which worker is active, and an
idle partition needs no moving.
"""

from __future__ import annotations

import time

import structlog

from bus import queues
from bus.interface import WorkerBus
from logic.metrics import PARTITIONS
from router.interface import Resolver, RouterAway
from router.shares import share

ANNOUNCE_S = 3.0
CHECK_S = 1.0
PER_PARTITION_S = 5.0

log = structlog.get_logger()


class Handover:
    """The announcements of one ordered worker, and the partitions that it gives up. `leaving` is the partition that it
    is giving up now. For the thread that owns `bus`."""

    def __init__(self, worker: str, epoch: str, partitions: int, bus: WorkerBus, resolver: Resolver) -> None:
        self._worker = worker
        self._epoch = epoch
        self._partitions = partitions
        self._bus = bus
        self._resolver = resolver
        self._held: set[int] = set()
        self._given_up_at: dict[int, float] = {}
        self._announced_at = float("-inf")
        self._checked_at = float("-inf")
        self.leaving: int | None = None

    def __repr__(self) -> str:
        return f"Handover({self._worker}, holds {sorted(self._held)}, leaving {self.leaving})"

    def saw(self, queue: str) -> None:
        """Note that something came from `queue`: this worker is active there."""
        partition = queues.partition_of_queue(queue)
        if partition is not None and partition not in self._held:
            self._held.add(partition)
            PARTITIONS.labels(partition).set(1)

    def lost(self) -> None:
        """The connection ended: this worker holds no partition any more."""
        self._held.clear()
        PARTITIONS.clear()
        self.leaving = None

    def step(self) -> None:
        """Announce this worker every 3 s; check its share every second, and begin to give up a partition that is beyond
        it. May wait for the router, some 100 ms. Raises BusLost."""
        now = time.monotonic()
        try:
            if now - self._announced_at >= ANNOUNCE_S:
                self._announced_at = now
                self._resolver.announce_worker(self._worker, self._epoch)
            if self.leaving is None and now - self._checked_at >= CHECK_S:
                self._checked_at = now
                self._begin(now)
        except RouterAway:
            # Without it no worker knows which others live, so nothing moves; RabbitMQ still fails over by itself.
            return

    def _begin(self, now: float) -> None:
        workers = self._resolver.workers()
        if self._worker not in workers:
            return
        # The next in line may have its share already and pass the partition on: it leaves here at most once in 5 s.
        surplus = self._held - share(self._worker, workers, self._partitions)
        for partition in sorted(surplus):
            if now - self._given_up_at.get(partition, float("-inf")) >= PER_PARTITION_S:
                self.leaving = partition
                self._bus.stop_taking(queues.ordered(partition))
                return

    def stop_taking(self) -> None:
        """Stopping: take nothing more from any partition. Raises BusLost."""
        for queue in queues.all_ordered(self._partitions):
            self._bus.stop_taking(queue)

    def finish(self) -> int:
        """Hand over the partition that is being left, and return it. Everything taken from it must be done and acked.
        Raises BusLost; RuntimeError where none is being left."""
        partition = self.leaving
        if partition is None:
            raise RuntimeError(f"{self!r} is leaving nothing")
        self._bus.give_up(queues.ordered(partition))
        self._held.discard(partition)
        PARTITIONS.labels(partition).set(0)
        self._given_up_at[partition] = time.monotonic()
        self.leaving = None
        log.info("partition_given_up", worker=self._worker, partition=partition)
        return partition

    def withdraw(self) -> None:
        """This worker stops: others may take its share at once. Raises nothing."""
        try:
            self._resolver.withdraw_worker(self._worker, self._epoch)
        except RouterAway:
            return
