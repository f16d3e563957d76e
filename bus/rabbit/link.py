"""One connection of a gateway to RabbitMQ, from the attempt to its end, on the running event loop.

Laws: `on_up` is called at most once, when the queue is declared and consumed; `on_down` exactly once. After the end no
message is handed over and no ack sent. Nothing is ever raised into pika, which would be left in a half changed state.

One connection with two channels, to publish on and to consume on: where the broker slows a channel down that publishes
too fast, the other goes on. A memory or disk alarm does stop the whole connection, acks included. But then workers
cannot publish either, so there is nothing to consume: a second connection would only be a second state to lose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from pika.exceptions import AMQPError

from bus.acks import AckFloor
from bus.interface import GATEWAY_PREFETCH, OnMessage, Put
from bus.rabbit.topology import TRANSIENT, RabbitAddress, gateway_arguments, parameters
from bus.rabbit.writes import GatheringAsyncioConnection

MAX_BUFFERED_BYTES = 8 * 1024 * 1024
# A blocked gateway publishes nothing, and heartbeats still show that the broker lives: no reason to reconnect soon.
BLOCKED_TIMEOUT_S = 60.0
CLOSE_TIMEOUT_S = 2.0

log = structlog.get_logger()


class RabbitLink:
    """A connection that consumes `queue` and publishes; without a queue it only publishes. It connects when it is made.

    `on_down` gets the reason as a sentence for logs. To be used on the running loop only.
    """

    def __init__(
        self,
        address: RabbitAddress,
        queue: str | None,
        on_message: OnMessage,
        on_up: Callable[[RabbitLink], None],
        on_down: Callable[[RabbitLink, str], None],
    ) -> None:
        self._queue = queue
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._is_up = self._is_ended = self._is_blocked = False
        self._consumer_tag = ""
        self._publisher: Any = None
        self._consumer: Any = None
        self._acks = AckFloor()
        self._acked: list[int] = []
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = GatheringAsyncioConnection(
            parameters(address, queue or "gateway", BLOCKED_TIMEOUT_S),
            on_open_callback=self._opened,
            on_open_error_callback=self._connection_closed,
            on_close_callback=self._connection_closed,
        )

    def __repr__(self) -> str:
        state = "ended" if self._is_ended else "blocked" if self._is_blocked else "up" if self._is_up else "opening"
        return f"RabbitLink({self._queue}, {state}, {self.buffered_bytes} bytes buffered)"

    @property
    def buffered_bytes(self) -> int:
        """How many bytes were published that the kernel has not taken yet; pika has no public way to ask."""
        transport = self._connection._transport
        written = 0 if transport is None else int(transport.get_write_buffer_size())
        return written + self._connection.gathered_bytes

    def publish(self, queue: str, body: bytes) -> Put:
        """As GatewayBus.publish; Put.BLOCKED also where more than 8 MiB wait for the kernel."""
        if not self._is_up or self._is_ended:
            return Put.DOWN
        if self._is_blocked or self.buffered_bytes > MAX_BUFFERED_BYTES:
            return Put.BLOCKED
        self._gather()
        try:
            self._publisher.basic_publish("", queue, body, TRANSIENT)
        except AMQPError as error:
            self.end(repr(error))
            return Put.DOWN
        return Put.ACCEPTED

    async def stop_consuming(self) -> None:
        """Cancel the consumer; the broker deletes the queue with it. Returns within 2 s. A link that is still opening
        ends, since it would begin to consume."""
        if not self._is_up:
            self.end("no longer wanted")
        if not self._consumer_tag or self._is_ended:
            return
        cancelled = asyncio.Event()  # not a future: the answer may come after the wait for it was given up
        with suppress(AMQPError, TimeoutError):
            self._consumer.basic_cancel(self._consumer_tag, callback=lambda _frame: cancelled.set())
            await asyncio.wait_for(cancelled.wait(), CLOSE_TIMEOUT_S)

    def end(self, reason: str) -> None:
        """Give this connection up, without waiting for the broker, which may be dead."""
        with suppress(AMQPError):
            self._connection.close()
        self._down(reason)

    async def close(self) -> None:
        """Close in order: bodies published before are sent. Waits up to 2 s for the broker."""
        self.end("closed")
        await asyncio.wait([self._closed], timeout=CLOSE_TIMEOUT_S)

    # --- opening, one step after the other ---------------------------------------------------------------------------

    def _opened(self, connection: Any) -> None:
        connection.add_on_connection_blocked_callback(lambda *_: self._set_blocked(True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(False))
        self._step(connection.channel, on_open_callback=self._publisher_opened)

    def _publisher_opened(self, channel: Any) -> None:
        self._publisher = channel
        channel.add_on_close_callback(self._channel_closed)
        if self._queue is None:
            self._up()
        else:
            self._step(self._connection.channel, on_open_callback=self._consumer_opened)

    def _consumer_opened(self, channel: Any) -> None:
        self._consumer = channel
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_cancel_callback(lambda _frame: self.end("the queue was deleted"))
        wanted = {"durable": True, "auto_delete": True, "arguments": gateway_arguments()}
        self._step(channel.queue_declare, self._queue, **wanted, callback=self._declared)

    def _declared(self, _frame: Any) -> None:
        self._step(self._consumer.basic_qos, prefetch_count=GATEWAY_PREFETCH, callback=self._limited)

    def _limited(self, _frame: Any) -> None:
        self._step(self._consumer.basic_consume, self._queue, self._deliver, callback=self._consumed)

    def _consumed(self, frame: Any) -> None:
        self._consumer_tag = frame.method.consumer_tag
        self._up()

    def _step(self, method: Callable[..., Any], *args: Any, **options: Any) -> None:
        if self._is_ended:
            return
        try:
            method(*args, **options)
        except AMQPError as error:
            self.end(repr(error))

    def _up(self) -> None:
        if not self._is_ended:
            self._is_up = True
            self._on_up(self)

    # --- what the broker says ----------------------------------------------------------------------------------------

    def _deliver(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        if self._is_ended:
            return
        ack = partial(self._ack, method.delivery_tag)
        try:
            self._on_message(body, ack)
        except Exception:
            log.exception("on_message_failed", queue=self._queue)
            ack()

    def _ack(self, tag: int) -> None:
        if not self._acked:
            asyncio.get_running_loop().call_soon(self._send_acks)
        self._acked.append(tag)

    def _send_acks(self) -> None:
        """Ack everything that was done with in this turn of the loop, in one write."""
        acked, self._acked = self._acked, []
        if not self._is_ended:
            self._gather()
            with suppress(AMQPError):
                for tag, multiple in self._acks.settle(acked):
                    self._consumer.basic_ack(tag, multiple)

    def _gather(self) -> None:
        """Have everything that this turn of the loop sends leave in one write."""
        if self._connection.gather():
            asyncio.get_running_loop().call_soon(self._connection.release)

    def _set_blocked(self, is_blocked: bool) -> None:
        self._is_blocked = is_blocked
        log.warning("bus_blocked" if is_blocked else "bus_unblocked", queue=self._queue)

    def _channel_closed(self, _channel: Any, reason: Exception) -> None:
        if not self._is_ended:
            self.end(repr(reason))

    def _connection_closed(self, _connection: Any, reason: BaseException | str) -> None:
        if not self._closed.done():
            self._closed.set_result(None)
        self._down(repr(reason))

    def _down(self, reason: str) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._on_down(self, reason)
