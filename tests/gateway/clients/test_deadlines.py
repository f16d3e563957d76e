"""The deadlines of a gateway: what goes wrong with one connection leaves those of the others as they were."""

from __future__ import annotations

import asyncio
import time

from gateway.clients.connection import Connection
from gateway.clients.deadlines import Deadlines
from gateway.doors.ws_frames import text_frame
from protocol.errors import Close

WAIT_S = 10.0


class NoWire:
    framed = staticmethod(text_frame)
    queued_bytes = 0

    def send(self, data: bytes) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self, code: Close, reason: str) -> None: ...


class Closer:
    """Fails at connection 1."""

    def __init__(self) -> None:
        self.closed: asyncio.Queue[tuple[int, Close]] = asyncio.Queue()

    def close(self, connection: Connection, code: Close) -> None:
        if connection.number == 1:
            raise OSError("this one cannot be closed")
        self.closed.put_nowait((connection.number, code))


def connection(number: int) -> Connection:
    return Connection(number, "ws", NoWire(), lambda connection, framed: None, time.monotonic())


async def test_one_that_cannot_be_closed_does_not_stop_the_wheel() -> None:
    closer = Closer()
    deadlines = Deadlines(closer, 0.1, 30.0, 30.0, 30.0)  # type: ignore[arg-type]
    deadlines.start()
    for number in (1, 2):
        deadlines.watch(connection(number))
    assert await asyncio.wait_for(closer.closed.get(), WAIT_S) == (2, Close.AUTH_TIMEOUT)
    deadlines.watch(connection(3))
    assert await asyncio.wait_for(closer.closed.get(), WAIT_S) == (3, Close.AUTH_TIMEOUT)
    deadlines.stop()
