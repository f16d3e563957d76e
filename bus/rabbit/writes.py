"""Fewer writes to RabbitMQ. pika sends the method, the header and the body of a message by a write each; every write
costs a system call here and wakes the broker there.

The only place that knows how pika hands over the frames that it has made; tests/bus pins it to the version in
requirements.txt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.base_connection import BaseConnection
from pika.adapters.blocking_connection import BlockingConnection
from pika.adapters.select_connection import SelectConnection


class _GatheredWrites(BaseConnection):  # type: ignore[misc]
    """Writes the frames of a message as one; and everything between `gather` and `release` as one."""

    _gathered: list[bytes] | None = None
    gathered_bytes = 0

    def gather(self) -> bool:
        """Keep what is sent until `release`. False where that has begun already."""
        if self._gathered is not None:
            return False
        self._gathered = []
        return True

    def release(self) -> None:
        """Send what was gathered. Nothing where the connection is gone meanwhile, and with it whoever waited."""
        gathered, self._gathered = self._gathered, None
        self.gathered_bytes = 0
        if gathered and self._transport is not None:
            super()._output_marshaled_frames([b"".join(gathered)])

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        if self._gathered is None:
            super()._output_marshaled_frames([b"".join(marshaled_frames)])
        else:
            self._gathered += marshaled_frames
            self.gathered_bytes += sum(map(len, marshaled_frames))


class GatheringAsyncioConnection(_GatheredWrites, AsyncioConnection):  # type: ignore[misc]
    """For a gateway's loop."""


class GatheringSelectConnection(_GatheredWrites, SelectConnection):  # type: ignore[misc]
    """For a worker's blocking connection."""


@contextmanager
def gathered(connection: BlockingConnection) -> Iterator[None]:
    """What the channels of a worker's connection send meanwhile leaves in one write, before this ends."""
    connection._impl.gather()
    try:
        yield
    finally:
        connection._impl.release()
    connection._flush_output()
