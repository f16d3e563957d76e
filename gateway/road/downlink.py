"""Answers, pushes and deltas from the workers, handled in order, at most 5 ms a turn of the loop.

Laws: a hole in a link is noticed before what came after it is delivered; a message is acked when its frames are
written; nothing here waits for anything but the loop's next turn.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import structlog

from gateway.clients.outgoing import Outgoing
from gateway.road.links import Links
from process.supervision import start_task
from protocol.models import Downward, DownwardMessage, read_downward

TURN_S = 0.005

log = structlog.get_logger()

Ack = Callable[[], None]
Handlers = Mapping[type[Downward], Callable[[Any], Iterator[None] | None]]


class Downlink:
    """Gives each body to the handler of its type, which returns an iterator where it takes several steps."""

    def __init__(self, links: Links, handlers: Handlers, outgoing: Outgoing) -> None:
        self._links = links
        self._handlers = handlers
        self._outgoing = outgoing
        self._waiting: deque[tuple[bytes, Ack]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._turn_ends = 0.0

    def __repr__(self) -> str:
        return f"Downlink({len(self._waiting)} waiting, {self._links})"

    def receive(self, body: bytes, ack: Ack) -> None:
        """A message from the bus; handled when those before it are."""
        self._waiting.append((body, ack))
        if self._worker is None:
            self._worker = start_task("downlink", self._work())

    def forget(self) -> None:
        """A new broker connection: what waits came over the old one, and every link starts anew."""
        self._waiting.clear()
        self._links.begin()

    async def _work(self) -> None:
        self._turn_ends = time.monotonic() + TURN_S
        try:
            while self._waiting:
                body, ack = self._waiting.popleft()
                try:
                    await self._handle(read_downward(body))
                except msgspec.MsgspecError as error:
                    log.error("undecodable_message", error=str(error))
                except Exception as error:  # one bad message must not stop the gateway
                    log.error("message_failed", exc_info=error)
                self._outgoing.when_written(ack)
                await self._pause_if_due()
        finally:
            self._worker = None

    async def _pause_if_due(self) -> None:
        if time.monotonic() >= self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = time.monotonic() + TURN_S

    async def _handle(self, message: DownwardMessage) -> None:
        self._links.received(message)
        for body in message.bodies:
            steps = self._handlers[type(body)](body)
            if steps is not None:
                for _ in steps:
                    await self._pause_if_due()
