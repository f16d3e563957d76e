"""One queue that a worker subscribes to, on a channel of its own.

Law: a subscription ends by closing its channel, never by basic.cancel. A cancelled consumer's queue goes to the next in
line while messages are still unacknowledged, and those then come back behind later ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from bus.acks import AckFloor
from bus.interface import Delivery


class RabbitSubscription:
    """A consumer of one queue; hands each delivery to `on_delivery`. Raises what pika raises."""

    def __init__(
        self, connection: BlockingConnection, queue: str, prefetch: int, on_delivery: Callable[[Delivery], None]
    ) -> None:
        self.queue = queue
        self._on_delivery = on_delivery
        self._acks = AckFloor()
        self._is_cancelled = False
        self._channel: BlockingChannel = connection.channel()
        self._channel.basic_qos(prefetch_count=prefetch)
        self._channel.add_on_cancel_callback(self._cancelled)
        self._channel.basic_consume(queue, self._receive)

    def __repr__(self) -> str:
        return f"RabbitSubscription({self.queue}, {'open' if self.is_open else 'closed'}, {self._acks})"

    @property
    def is_open(self) -> bool:
        """Whether messages may still come: False once the broker closed the channel or the queue was deleted."""
        return bool(self._channel.is_open) and not self._is_cancelled

    def ack(self, tags: Iterable[int]) -> None:
        """To be called within `gathered`: pika's own basic_ack of a blocking channel would write each by itself."""
        for tag, multiple in self._acks.settle(tags):
            self._channel._impl.basic_ack(tag, multiple)

    def slow_down(self) -> None:
        """Let no more than one unacked message come. Only the limit of the whole channel (`global`) holds for a
        consumer that is there already."""
        self._channel.basic_qos(prefetch_count=1, global_qos=True)

    def close(self) -> None:
        """Close the channel, and return once the broker did. What is unacked goes back to its place in the queue."""
        # pika's own close cancels the consumers of a channel first, so it must not know of any.
        self._channel._consumer_infos.clear()
        self._channel._impl._consumers.clear()
        self._channel.close()

    def _receive(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        self._on_delivery(Delivery(self.queue, body, method.redelivered, (self, method.delivery_tag)))

    def _cancelled(self, _frame: Any) -> None:
        self._is_cancelled = True
