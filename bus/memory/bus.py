"""The bus of standalone: queues in this process, with the promises of bus/interface.py.

The gateway's end lives on its event loop, each worker's end in its thread. One lock guards all queues; no code of
another package runs under it. There is no connection, so BusLost is raised only after closing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from bus import queues
from bus.interface import COMMANDS_BYTES, BusLost, Delivery, Put
from bus.memory.gateway import MemoryGatewayBus
from bus.memory.queue import Consumer, MemoryQueue, Message

DEAD_BYTES = 16 * 1024 * 1024

log = structlog.get_logger()


class MemoryBus:
    """All queues of one process; it makes both ends. Any thread may use it."""

    def __init__(self, partitions: int) -> None:
        self.lock = threading.Lock()
        self.arrival = threading.Condition(self.lock)
        ordered = {name: MemoryQueue(name, COMMANDS_BYTES, True) for name in queues.all_ordered(partitions)}
        named = {name: MemoryQueue(name, COMMANDS_BYTES, False) for name in queues.NAMED}
        self._queues = {**ordered, **named, queues.DEAD: MemoryQueue(queues.DEAD, DEAD_BYTES, False)}
        self._gateways: dict[str, Callable[[bytes], None]] = {}

    def __repr__(self) -> str:
        return f"MemoryBus({len(self._queues)} queues, {len(self._gateways)} gateways)"

    def gateway_end(self) -> MemoryGatewayBus:
        """The end of a gateway; its queue exists from `start` on."""
        return MemoryGatewayBus(self)

    def worker_end(self, queues: list[str], prefetch: int, stopping: threading.Event | None = None) -> MemoryWorkerBus:
        """The end of a worker that takes from `queues`, with at most `prefetch` unacked deliveries of each. Where
        `stopping` is set it does not connect any more."""
        return MemoryWorkerBus(self, queues, prefetch, stopping)

    def queue(self, name: str) -> MemoryQueue:
        """The queue `name` of commands, or `dead`. To be used under `lock`. Raises KeyError."""
        return self._queues[name]

    def add_gateway(self, name: str, receive: Callable[[bytes], None]) -> None:
        """Give bodies for the queue `name` to `receive`, on the publisher's thread under `lock`: it must not wait."""
        with self.lock:
            self._gateways[name] = receive

    def remove_gateway(self, name: str) -> None:
        """Drop bodies for the queue `name` from now on."""
        with self.lock:
            self._gateways.pop(name, None)

    def publish(self, name: str, body: bytes) -> Put:
        """Put `body` into the queue `name`. Any thread may call it. Put.BLOCKED: the queue is full; where there is no
        such queue the body is dropped, and Put.ACCEPTED."""
        with self.lock:
            queue = self._queues.get(name)
            if queue is None:
                receive = self._gateways.get(name)
                if receive is not None:
                    receive(body)
                return Put.ACCEPTED
            if not queue.put(body):
                return Put.BLOCKED
            self.arrival.notify_all()
            return Put.ACCEPTED


class MemoryWorkerBus:
    """The WorkerBus of memory: bus/interface.py says what its methods promise."""

    def __init__(self, bus: MemoryBus, queues: list[str], prefetch: int, stopping: threading.Event | None) -> None:
        self._bus = bus
        self._queues = list(queues)
        self._prefetch = prefetch
        self._stopping = stopping
        self._consumers: dict[str, Consumer] = {}
        self._is_woken = self._is_closed = False

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else f"{len(self._consumers)} subscriptions"
        return f"MemoryWorkerBus({state}, {sum(len(c.unacked) for c in self._consumers.values())} unacked)"

    def connect(self) -> None:
        if self._is_closed or (self._stopping is not None and self._stopping.is_set()):
            raise BusLost("closed")
        with self._bus.lock:
            self._leave()
            for queue in self._queues:
                self._subscribe(queue)

    def take(self, wait_s: float) -> list[Delivery]:
        with self._bus.lock:
            self._check_open()
            taken = self._take_waiting()
            if not (taken or self._is_woken):
                self._bus.arrival.wait_for(lambda: self._is_closed or self._is_woken or self._can_take(taken), wait_s)
                self._check_open()
            self._is_woken = False
            return taken

    def publish(self, queue: str, body: bytes) -> None:
        self._check_open()
        if self._bus.publish(queue, body) is Put.BLOCKED:
            log.error("bus_queue_full", queue=queue)

    def ack(self, deliveries: list[Delivery]) -> None:
        with self._bus.lock:
            self._check_open()
            for delivery in deliveries:
                consumer, position = delivery.tag
                consumer.unacked.pop(position, None)

    def dead_letter(self, body: bytes, reason: str) -> None:
        log.error("dead_letter", reason=reason)
        self.publish(queues.DEAD, body)

    def stop_taking(self, queue: str) -> None:
        with self._bus.lock:
            self._check_open()
            self._consumers[queue].limit = 0

    def give_up(self, queue: str) -> None:
        with self._bus.lock:
            self._check_open()
            self._bus.queue(queue).unsubscribe(self._consumers.pop(queue))
            self._subscribe(queue)
            self._bus.arrival.notify_all()

    def wake(self) -> None:
        with self._bus.lock:
            self._is_woken = True
            self._bus.arrival.notify_all()

    def close(self) -> None:
        with self._bus.lock:
            self._is_closed = True
            self._leave()
            self._bus.arrival.notify_all()

    def _check_open(self) -> None:
        if self._is_closed or not self._consumers:
            raise BusLost("closed" if self._is_closed else "there is no connection")

    def _subscribe(self, queue: str) -> None:
        self._consumers[queue] = Consumer(self._prefetch)
        self._bus.queue(queue).subscribe(self._consumers[queue])

    def _leave(self) -> None:
        for queue, consumer in self._consumers.items():
            self._bus.queue(queue).unsubscribe(consumer)
        self._consumers = {}

    def _can_take(self, taken: list[Delivery]) -> bool:
        """Move what has arrived to `taken`; whether it holds anything."""
        taken.extend(self._take_waiting())
        return bool(taken)

    def _take_waiting(self) -> list[Delivery]:
        return [
            self._delivery(queue, consumer, message)
            for queue, consumer in self._consumers.items()
            for message in self._bus.queue(queue).take(consumer)
        ]

    @staticmethod
    def _delivery(queue: str, consumer: Consumer, message: Message) -> Delivery:
        return Delivery(queue, message.body, message.redelivered, (consumer, message.position))
