"""A worker's end of RabbitMQ: one blocking connection, owned by one thread.

A channel of its own for each queue, so that each can be given up by closing it, and one to publish on. Only `wake` may
be called from another thread. After BusLost everything taken and not acked goes to other workers; `connect` begins
anew.
"""

from __future__ import annotations

import threading
from contextlib import suppress

import structlog
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError

from bus import queues
from bus.backoff import Backoff
from bus.interface import BusLost, Delivery
from bus.rabbit.subscription import RabbitSubscription
from bus.rabbit.topology import (
    DEAD_LETTER_S,
    TRANSIENT,
    RabbitAddress,
    bus_lost,
    dead_letter_properties,
    durable_queues,
    parameters,
)
from bus.rabbit.writes import GatheringSelectConnection, gathered

# A broker under a memory or disk alarm reads nothing from publishers, and pika would wait for ever.
BLOCKED_TIMEOUT_S = 8.0

log = structlog.get_logger()


class RabbitWorkerBus:
    """The WorkerBus of RabbitMQ: bus/interface.py says what its methods promise. `stopping`, set by any thread or a
    signal handler, ends a `connect` that waits. Dead letters are kept for `dead_letter_s` seconds."""

    def __init__(
        self,
        address: RabbitAddress,
        queues: list[str],
        partitions: int,
        prefetch: int,
        stopping: threading.Event | None = None,
        dead_letter_s: int = DEAD_LETTER_S,
    ) -> None:
        self._parameters = parameters(address, f"worker {','.join(queues)}", BLOCKED_TIMEOUT_S)
        self._queues = list(queues)
        self._partitions = partitions
        self._prefetch = prefetch
        self._stopping = stopping or threading.Event()
        self._dead_letter_s = dead_letter_s
        self._is_closed = False
        self._connection: BlockingConnection | None = None
        self._publisher: BlockingChannel | None = None
        self._subscriptions: dict[str, RabbitSubscription] = {}
        self._arrived: list[Delivery] = []

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "connected" if self._connection is not None else "not connected"
        return f"RabbitWorkerBus({state}, {len(self._subscriptions)} subscriptions, {len(self._arrived)} arrived)"

    def connect(self) -> None:
        self._leave()
        backoff = Backoff()
        while not (self._is_closed or self._stopping.is_set()):
            try:
                with bus_lost():
                    self._enter()
            except BusLost as error:
                log.warning("bus_connect_failed", error=str(error))
                self._leave()
                self._stopping.wait(backoff.next_s())
            else:
                log.info("bus_connected", queues=self._queues)
                return
        raise BusLost("closed before a connection stood")

    def take(self, wait_s: float) -> list[Delivery]:
        connection = self._open_connection()
        with bus_lost():
            connection.process_data_events(0 if self._arrived else wait_s)
        for subscription in self._subscriptions.values():
            if not subscription.is_open:
                raise BusLost(f"the broker ended {subscription}")
        arrived, self._arrived = self._arrived, []
        return arrived

    def publish(self, queue: str, body: bytes) -> None:
        publisher = self._open_publisher()
        with bus_lost():
            publisher.basic_publish("", queue, body, TRANSIENT)

    def ack(self, deliveries: list[Delivery]) -> None:
        tags: dict[RabbitSubscription, list[int]] = {}
        for delivery in deliveries:
            # Tags count anew on each channel: one of a former channel would ack another message.
            subscription, tag = delivery.tag
            current = self._subscriptions.get(delivery.queue)
            if current is not None and current is subscription:
                tags.setdefault(current, []).append(tag)
        with bus_lost(), gathered(self._open_connection()):
            for subscription, done in tags.items():
                subscription.ack(done)

    def dead_letter(self, body: bytes, reason: str) -> None:
        publisher = self._open_publisher()
        with bus_lost():
            publisher.basic_publish("", queues.DEAD, body, dead_letter_properties(reason, self._dead_letter_s))

    def stop_taking(self, queue: str) -> None:
        self._open_connection()
        self._subscriptions[queue].stop_taking()
        self._arrived = [delivery for delivery in self._arrived if delivery.queue != queue]

    def give_up(self, queue: str) -> None:
        connection = self._open_connection()
        with bus_lost():
            self._await_routing()  # or the next owner's first message could overtake the last one of this worker
            self._subscriptions.pop(queue).close()
            self._arrived = [delivery for delivery in self._arrived if delivery.queue != queue]
            self._subscriptions[queue] = self._subscribe(connection, queue)

    def wake(self) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(AMQPError):
                connection.add_callback_threadsafe(_nothing)

    def close(self) -> None:
        self._is_closed = True
        self._leave()

    def _enter(self) -> None:
        self._connection = connection = BlockingConnection(self._parameters, _impl_class=GatheringSelectConnection)
        self._publisher = connection.channel()
        for queue, arguments in durable_queues(self._partitions).items():
            self._publisher.queue_declare(queue, durable=True, arguments=arguments)
        for queue in self._queues:
            self._subscriptions[queue] = self._subscribe(connection, queue)

    def _leave(self) -> None:
        """Close what is left of a connection. It is forgotten first, so that closing is never tried twice."""
        connection, self._connection = self._connection, None
        subscriptions, self._subscriptions = self._subscriptions, {}
        self._arrived = []
        if connection is not None and connection.is_open:
            with suppress(BusLost), bus_lost():
                self._await_routing()
                for subscription in subscriptions.values():
                    subscription.close()
            with suppress(BusLost), bus_lost():
                connection.close()
        self._publisher = None

    def _subscribe(self, connection: BlockingConnection, queue: str) -> RabbitSubscription:
        return RabbitSubscription(connection, queue, self._prefetch, self._arrive)

    def _arrive(self, delivery: Delivery) -> None:
        self._arrived.append(delivery)

    def _await_routing(self) -> None:
        """Return when everything that was published is in its queue. The broker carries out the methods of a channel in
        order, and answers this one; but the channels of a connection may overtake each other."""
        self._open_publisher().queue_declare(queues.DEAD, passive=True)

    def _open_connection(self) -> BlockingConnection:
        if self._connection is None:
            raise BusLost("there is no connection")
        return self._connection

    def _open_publisher(self) -> BlockingChannel:
        if self._publisher is None:
            raise BusLost("there is no connection")
        return self._publisher


def _nothing() -> None:
    """The callback of `wake`: any callback ends the wait of process_data_events."""
