"""Deliveries that a worker took off the bus and has not begun, read into work.

A delivery that cannot be read goes into the queue `dead` with its reason; a command of it that cannot be read is
refused.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgspec
import structlog

from bus.interface import Delivery, WorkerBus
from logic.outcome import Outcome
from logic.work import Work, read_work
from protocol.errors import ImError
from protocol.models import ReceiveInfo, read_upward

log = structlog.get_logger()


@dataclass(slots=True)
class Taken:
    """A delivery with the works in it; commands of it that are no work stand in `refused`, with their refusals."""

    delivery: Delivery
    works: list[Work]
    refused: list[tuple[ReceiveInfo, Outcome]]


def read_delivery(delivery: Delivery) -> Taken:
    """A delivery, read. Raises msgspec.MsgspecError where its envelope cannot be read."""
    works: list[Work] = []
    refused: list[tuple[ReceiveInfo, Outcome]] = []
    for envelope in read_upward(delivery.body).bodies:
        work = read_work(envelope, redelivered=delivery.redelivered)
        if isinstance(work, ImError):
            refused.append((envelope, Outcome(work)))
        else:
            works.append(work)
    return Taken(delivery, works, refused)


class Inbox:
    """Deliveries in the order of their arrival; `commands` is how many works they hold. Bounded by the prefetch of the
    worker's queues. For the thread that owns `bus`."""

    def __init__(self, bus: WorkerBus) -> None:
        self._bus = bus
        self._waiting: deque[Taken] = deque()
        self.commands = 0

    def __repr__(self) -> str:
        return f"Inbox({len(self._waiting)} deliveries)"

    def __len__(self) -> int:
        return len(self._waiting)

    def pull(self, wait_s: float) -> list[str]:
        """Take the deliveries that have arrived, or wait up to `wait_s` seconds for one; returns the queue of each.
        Raises BusLost."""
        deliveries = self._bus.take(wait_s)
        for delivery in deliveries:
            try:
                taken = read_delivery(delivery)
                self._waiting.append(taken)
                self.commands += len(taken.works)
            except msgspec.MsgspecError as error:
                log.error("undecodable_delivery", queue=delivery.queue, error=str(error))
                self._bus.dead_letter(delivery.body, f"cannot be read: {error}")
                self._bus.ack([delivery])
        return [delivery.queue for delivery in deliveries]

    def has_from(self, queue: str) -> bool:
        """Whether a delivery of `queue` waits."""
        return any(taken.delivery.queue == queue for taken in self._waiting)

    def next_batch(self, max_commands: int, max_bytes: int) -> list[Taken]:
        """Take the next deliveries for one batch, at least one if any waits, up to the limits. Redelivered ones are not
        mixed with others, since they are run differently."""
        batch: list[Taken] = []
        commands = size = 0
        while self._waiting:
            taken = self._waiting[0]
            commands += len(taken.works)
            size += len(taken.delivery.body)
            is_other = bool(batch) and taken.delivery.redelivered != batch[0].delivery.redelivered
            if batch and (commands > max_commands or size > max_bytes or is_other):
                break
            batch.append(self._waiting.popleft())
            self.commands -= len(taken.works)
        return batch

    def clear(self) -> None:
        """Forget everything: after BusLost it goes to other workers."""
        self._waiting.clear()
        self.commands = 0
