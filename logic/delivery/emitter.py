"""Publishes emitted commands to the queues of the workers that carry them out (store/tables/outbox.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import structlog
from msgspec import Raw

from bus import queues
from bus.interface import WorkerBus
from protocol import codec
from protocol.models import ReceiveInfo, TopicMessage, UserInfo
from protocol.ops import OPS
from store.tables.outbox import OutboxRow

BATCH_COMMANDS = 300
BATCH_BYTES = 256 * 1024

log = structlog.get_logger()


def command_of(row: OutboxRow) -> ReceiveInfo:
    """An emitted command as it crosses the bus: without a gateway, since none waits for its answer."""
    return ReceiveInfo(row.op, 0, "", "", Raw(row.data.encode()), sender=UserInfo(row.sender), emitted=row.cid)


class Emitter:
    """Publishes for one worker process; `source` is `{name}.{epoch}`. For the thread that owns `bus`."""

    def __init__(self, source: str, bus: WorkerBus, partitions: int) -> None:
        self._source = source
        self._bus = bus
        self._partitions = partitions

    def __repr__(self) -> str:
        return f"Emitter({self._source})"

    def send(self, rows: Iterable[OutboxRow]) -> None:
        """Publish each command to its queue, in batches of up to 300 commands and 256 KiB. A command that is lost is
        sent again when it is due. Raises BusLost."""
        by_queue: dict[str, list[Raw]] = {}
        for row in rows:
            if row.op not in OPS:  # of a newer version of ours, which will send it
                log.error("unknown_op_emitted", op=row.op)
                continue
            queue = queues.of_command(OPS[row.op], row.key, self._partitions)
            by_queue.setdefault(queue, []).append(Raw(codec.write_struct(command_of(row))))
        for queue, bodies in by_queue.items():
            for batch in _batches(bodies):
                self._bus.publish(queue, codec.write_struct(TopicMessage(queue, self._source, batch)))


def _batches(bodies: list[Raw]) -> Iterator[list[Raw]]:
    batch: list[Raw] = []
    size = 0
    for body in bodies:
        if batch and (len(batch) >= BATCH_COMMANDS or size + len(bytes(body)) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(bytes(body))
    if batch:
        yield batch
