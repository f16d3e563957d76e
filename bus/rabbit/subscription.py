"""One queue that a worker subscribes to, on a channel of its own.

Law: a subscription ends by closing its channel, never by basic.cancel. The queue of a cancelled consumer goes to the
next in line while messages are still unacknowledged, and these come back behind later ones
(docs/decisions/0003-handover.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from bus.acks import AckFloor
from bus.interface import Delivery


class RabbitSubscription:
    """A consumer of one queue with at most `prefetch` unacked messages. It hands each delivery to `on_delivery`, on the
    thread that owns the connection. Every method raises what pika raises: AMQPError, OSError."""

    def __init__(
        self, connection: BlockingConnection, queue: str, prefetch: int, on_delivery: Callable[[Delivery], None]
    ) -> None:
        self.queue = queue
        self._on_delivery = on_delivery
        self._acks = AckFloor()
        self._is_cancelled = False
        self._is_taking = True
        self._channel: BlockingChannel = connection.channel()
        self._channel.basic_qos(prefetch_count=prefetch)
        self._channel.add_on_cancel_callback(self._cancelled)
        self._channel.basic_consume(queue, self._receive)

    def __repr__(self) -> str:
        return f"RabbitSubscription({self.queue}, {'open' if self.is_open else 'closed'}, {self._acks})"

    @property
    def is_open(self) -> bool:
        """Whether messages may still come: False when the broker has closed the channel, or the queue was deleted."""
        return bool(self._channel.is_open) and not self._is_cancelled

    def ack(self, tags: Iterable[int]) -> None:
        """Ack the deliveries `tags`. To be called within `gathered`: pika's own basic_ack of a blocking channel would
        write each ack by itself."""
        for tag, multiple in self._acks.settle(tags):
            self._channel._impl.basic_ack(tag, multiple)

    def stop_taking(self) -> None:
        """Hand over no more messages. Those that still come stay unacked, so the broker sends at most the prefetch; a
        smaller one for a consumer that exists (basic.qos, global) is refused by RabbitMQ 4.3."""
        self._is_taking = False

    def close(self) -> None:
        """Close the channel; returns when the broker has. Unacked messages go back to their places in the queue."""
        # pika cancels the consumers of a channel before it closes it, which breaks the law: it must not know of any.
        self._channel._consumer_infos.clear()
        self._channel._impl._consumers.clear()
        self._channel.close()

    def _receive(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        if self._is_taking:
            self._on_delivery(Delivery(self.queue, body, method.redelivered, (self, method.delivery_tag)))

    def _cancelled(self, _frame: Any) -> None:
        self._is_cancelled = True
