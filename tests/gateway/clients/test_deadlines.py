"""The deadlines of a gateway: what goes wrong with one connection leaves those of the others as they were."""

from __future__ import annotations

import asyncio

from conf.sections import GatewaySettings
from gateway.clients.connection import Connection
from gateway.clients.deadlines import Deadlines
from gateway.clients.session import State
from gateway.doors.ws_frames import text_frame
from gateway.limits import Limits
from protocol.errors import Close
from tests.gateway.wires import KeptWire

WAIT_S = 10.0


class Wire:
    """Of a connection that is closed at some time; the first cannot be."""

    door = "ws"
    framed = staticmethod(text_frame)
    queued_bytes = 0

    def send(self, data: bytes) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def ping(self) -> None: ...

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


def logged_in(heard_at: float) -> tuple[Connection, KeptWire]:
    wire = KeptWire()
    connection = Connection(1, "g1.e1.1", wire, lambda *_: None, lambda _: None)
    connection.session.move(State.OPENING)
    connection.session.move(State.OPEN)
    connection.heard_at = heard_at
    return connection, wire


def test_after_45_s_of_silence_there_is_one_ping_and_a_pong_is_life() -> None:
    deadlines = Deadlines(Limits.of(GatewaySettings()))
    connection, wire = logged_in(heard_at=1000.0)
    deadlines.look(connection, 1010.0)
    assert (wire.pings, connection.looked_at_next) == (0, 1045.0)
    deadlines.look(connection, 1045.0)
    assert (wire.pings, connection.looked_at_next) == (1, 1075.0)
    connection.heard_at = 1046.0  # the pong
    deadlines.look(connection, 1075.0)
    assert (wire.pings, connection.looked_at_next) == (1, 1091.0)
    deadlines.look(connection, 1091.0)
    assert (wire.pings, wire.closes) == (2, [])
    deadlines.look(connection, 1121.0)
    assert [code for code, _ in wire.closes] == [Close.HEARTBEAT_TIMEOUT]


def test_who_sends_heartbeats_is_never_pinged() -> None:
    deadlines = Deadlines(Limits.of(GatewaySettings()))
    connection, wire = logged_in(heard_at=1000.0)
    now = 1000.0
    while now < 2000.0:
        now = connection.looked_at_next = min(now + 45, 2000.0)
        connection.heard_at = now - now % 30
        deadlines.look(connection, now)
    assert (wire.pings, wire.closes) == (0, [])


def test_who_is_not_logged_in_is_not_pinged() -> None:
    deadlines = Deadlines(Limits.of(GatewaySettings(login_timeout_s=600)))
    wire = KeptWire()
    connection = Connection(1, "g1.e1.1", wire, lambda *_: None, lambda _: None)
    deadlines.look(connection, connection.opened_at + 500)
    assert (wire.pings, wire.closes) == (0, [])
