"""The deadlines of a gateway: what goes wrong with one connection leaves those of the others as they were."""

from __future__ import annotations

import asyncio

from conf.settings import GatewaySettings
from gateway.clients.connection import Connection
from gateway.clients.deadlines import Deadlines
from gateway.doors.ws_frames import text_frame
from gateway.limits import Limits
from protocol.errors import Close

WAIT_S = 10.0


class Wire:
    """Of a connection that is closed at some time; the first cannot be."""

    door = "ws"
    framed = staticmethod(text_frame)
    queued_bytes = 0

    def send(self, data: bytes) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def __init__(self, number: int, closed: asyncio.Queue[tuple[int, Close]]) -> None:
        self._number, self._closed = number, closed

    def close(self, code: Close, reason: str) -> None:
        if self._number == 1:
            raise OSError("this one cannot be closed")
        self._closed.put_nowait((self._number, code))


async def test_one_that_cannot_be_closed_does_not_stop_the_wheel() -> None:
    closed: asyncio.Queue[tuple[int, Close]] = asyncio.Queue()
    deadlines = Deadlines(Limits.of(GatewaySettings(login_timeout_s=0.1)))
    deadlines.start()

    def watch(number: int) -> None:
        wire = Wire(number, closed)
        deadlines.watch(Connection(number, f"g1.e1.{number}", wire, lambda *_: None, lambda _: None))

    watch(1)
    watch(2)
    assert await asyncio.wait_for(closed.get(), WAIT_S) == (2, Close.AUTH_TIMEOUT)
    watch(3)
    assert await asyncio.wait_for(closed.get(), WAIT_S) == (3, Close.AUTH_TIMEOUT)
    deadlines.stop()
