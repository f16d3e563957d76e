"""A gateway's end of the bus in memory. Bodies come from threads of workers and are handed over on the gateway's loop.

As in RabbitMQ at most 20,000 bodies wait. Then the oldest is dropped, which the numbers of its link show.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from bus import queues
from bus.interface import GATEWAY_BODIES, GATEWAY_PREFETCH, OnMessage, OnState, Put

log = structlog.get_logger()


class Queues(Protocol):
    """What a gateway's end needs of the bus."""

    def publish(self, name: str, body: bytes) -> Put:
        """Put `body` into the queue `name`. Any thread may call it."""
        ...

    def add_gateway(self, name: str, receive: Callable[[bytes], None]) -> None:
        """Give bodies for the queue `name` to `receive`, which must not wait."""

    def remove_gateway(self, name: str) -> None:
        """Drop bodies for the queue `name` from now on."""


class MemoryGatewayBus:
    """The GatewayBus of memory: bus/interface.py says what its methods promise."""

    def __init__(self, bus: Queues) -> None:
        self._bus = bus
        self._name = ""
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque(maxlen=GATEWAY_BODIES)
        self._is_drain_due = False
        self._unacked: set[int] = set()
        self._tag = 0
        self._is_connected = False

    def __repr__(self) -> str:
        state = "connected" if self._is_connected else "not connected"
        return f"MemoryGatewayBus({self._name}, {state}, {len(self._waiting)} waiting, {len(self._unacked)} unacked)"

    @property
    def connected(self) -> bool:
        return self._is_connected

    @property
    def queue_number(self) -> int:
        return 1  # nothing is ever lost, so there is no second connection

    async def start(self, address: str, on_message: OnMessage, on_state: OnState) -> None:
        self._loop = asyncio.get_running_loop()
        self._name = queues.gateway(address, self.queue_number)
        self._on_message = on_message
        self._is_connected = True
        self._bus.add_gateway(self._name, self._receive)
        on_state(True)

    def publish(self, queue: str, body: bytes) -> Put:
        return self._bus.publish(queue, body) if self._is_connected else Put.DOWN

    async def stop_consuming(self) -> None:
        self._bus.remove_gateway(self._name)
        with self._lock:
            self._waiting.clear()

    async def close(self) -> None:
        await self.stop_consuming()
        self._is_connected = False

    def _receive(self, body: bytes) -> None:
        """On any thread: keep `body` and have the loop drain."""
        with self._lock:
            self._waiting.append(body)
            if not self._is_drain_due:
                self._is_drain_due = True
                try:
                    self._loop.call_soon_threadsafe(self._drain)
                except RuntimeError:  # the loop was closed: this gateway is no more
                    self._waiting.clear()

    def _drain(self) -> None:
        """On the loop: hand over what waits, up to GATEWAY_PREFETCH unacked bodies."""
        with self._lock:
            self._is_drain_due = False
            count = min(GATEWAY_PREFETCH - len(self._unacked), len(self._waiting))
            bodies = [self._waiting.popleft() for _ in range(count)]
        for body in bodies:
            self._tag += 1
            self._unacked.add(self._tag)
            self._deliver(body, self._tag)

    def _deliver(self, body: bytes, tag: int) -> None:
        try:
            self._on_message(body, lambda: self._ack(tag))
        except Exception:
            log.exception("on_message_failed", queue=self._name)
            self._ack(tag)

    def _ack(self, tag: int) -> None:
        self._unacked.discard(tag)
        with self._lock:
            if self._waiting and not self._is_drain_due:
                self._is_drain_due = True
                self._loop.call_soon(self._drain)
