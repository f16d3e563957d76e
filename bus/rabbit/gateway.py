"""A gateway's end of RabbitMQ: one link at a time; whenever it ends a new one is made after a pause, until closed.

Law: each link has a queue of its own. The former one may be on a node that is down, where it can be neither declared
nor deleted, or still be given to a connection that the broker believes in (docs/decisions/0038-newer-servers.md).

Everything runs on the event loop on which `start` was called, and nothing blocks it.
"""

from __future__ import annotations

import asyncio

import structlog

from bus import queues
from bus.backoff import Backoff
from bus.interface import OnMessage, OnState, Put
from bus.rabbit.link import RabbitLink
from bus.rabbit.topology import CONNECT_TIMEOUT_S, RabbitAddress

log = structlog.get_logger()


class RabbitGatewayBus:
    """The GatewayBus of RabbitMQ: bus/interface.py says what its methods promise."""

    def __init__(self, address: RabbitAddress) -> None:
        self._address = address
        self._backoff = Backoff()
        self._gateway: str | None = None
        self._queue_number = 0
        self._link: RabbitLink | None = None
        self._is_connected = self._is_closed = False
        self._stood = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "connected" if self._is_connected else "not connected"
        return f"RabbitGatewayBus({state}, {self._link})"

    @property
    def connected(self) -> bool:
        return self._is_connected

    async def start(self, address: str, on_message: OnMessage, on_state: OnState) -> None:
        self._gateway = address
        self._on_message = on_message
        self._on_state = on_state
        self._attempt()
        await self._stood.wait()

    def publish(self, queue: str, body: bytes) -> Put:
        return Put.DOWN if self._link is None else self._link.publish(queue, body)

    async def stop_consuming(self) -> None:
        self._gateway = None
        if self._link is not None:
            await self._link.stop_consuming()

    async def close(self) -> None:
        self._is_closed = True
        self._is_connected = False
        self._set_timer(None)
        self._stood.set()  # nothing will stand any more: do not leave `start` waiting
        if self._link is not None:
            await self._link.close()

    @property
    def queue_number(self) -> int:
        return self._queue_number

    def _attempt(self) -> None:
        self._queue_number += 1
        queue = None if self._gateway is None else queues.gateway(self._gateway, self._queue_number)
        self._link = RabbitLink(self._address, queue, self._on_message, self._up, self._down)
        # pika bounds the handshake. This also ends an attempt at a broker that goes silent right after it.
        self._set_timer(asyncio.get_running_loop().call_later(CONNECT_TIMEOUT_S, self._link.end, "no answer"))

    def _up(self, link: RabbitLink) -> None:
        if link is not self._link or self._is_closed:  # a former link, given up before it stood
            return
        self._set_timer(None)
        self._backoff.reset()
        self._is_connected = True
        log.info("bus_connected", gateway=self._gateway, queue_number=self._queue_number)
        self._tell(True)
        self._stood.set()

    def _down(self, link: RabbitLink, reason: str) -> None:
        if link is not self._link or self._is_closed:
            return
        was_connected, self._is_connected, self._link = self._is_connected, False, None
        self._set_timer(asyncio.get_running_loop().call_later(self._backoff.next_s(), self._attempt))
        log.warning("bus_lost" if was_connected else "bus_connect_failed", error=reason)
        if was_connected:
            self._tell(False)

    def _tell(self, is_connected: bool) -> None:
        try:
            self._on_state(is_connected)
        except Exception:
            log.exception("on_state_failed", connected=is_connected)

    def _set_timer(self, timer: asyncio.TimerHandle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer
