"""Fewer writes to RabbitMQ. pika sends the method, the header and the body of a message by one write each, and every
write costs a system call here and wakes the broker there.

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
    """Writes the frames of a message at once, and everything that is sent between `gather` and `release` at once.
    `gathered_bytes` is how much waits for `release`."""

    _gathered: list[bytes] | None = None
    gathered_bytes = 0

    def gather(self) -> bool:
        """Keep what is sent from now on until `release`; False where that was begun before."""
        if self._gathered is not None:
            return False
        self._gathered = []
        return True

    def release(self) -> None:
        """Send what was gathered. Nothing is sent where the connection has ended meanwhile."""
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
    """A connection on a gateway's event loop."""


class GatheringSelectConnection(_GatheredWrites, SelectConnection):  # type: ignore[misc]
    """The connection within a worker's BlockingConnection."""


@contextmanager
def gathered(connection: BlockingConnection) -> Iterator[None]:
    """Everything that the channels of `connection` send within leaves in one write at its end. Raises what pika
    raises."""
    connection._impl.gather()
    try:
        yield
    finally:
        connection._impl.release()
    connection._flush_output()
