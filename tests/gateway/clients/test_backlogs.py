"""Slow is who takes nothing for a while, not who was sent much in one turn; and what is kept for either is bounded."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from msgspec import Raw

from gateway.clients.backlogs import CEILING, FULL, LOOK_S, PATIENCE
from gateway.clients.closing import close
from gateway.clients.connection import Connection
from gateway.clients.hub import Hub
from gateway.clients.outgoing import Outgoing
from gateway.metrics import CLOSES
from protocol.errors import Close
from protocol.frames import write_frame
from protocol.models import Push
from tests.gateway.conftest import NewSite
from tests.gateway.raw_tcp import RawTcp
from tests.gateway.raw_websocket import RawSocket
from tests.gateway.site import Site, until
from tests.gateway.wires import ADDRESS, Crowd, KeptWire

SOCKETS = pytest.mark.parametrize("door", [RawSocket, RawTcp], ids=["ws", "tcp"])
MAX_BYTES, SLOW_S = 1000, 0.4
MESSAGE_BYTES = 64_000
AT_ONCE = 14  # messages of 64 KB that a user may send at once


class Rig:
    """Connections whose wires say that their peers have not taken `stuck_bytes`."""

    def __init__(self) -> None:
        self.outgoing = Outgoing(MAX_BYTES, SLOW_S)
        self.hub = Hub(ADDRESS, self.outgoing)
        self.crowd = Crowd(self.hub)

    def join(self, user: str) -> tuple[Connection, KeptWire]:
        return self.crowd.join(user)

    async def push(self, user: str) -> None:
        for _ in self.hub.push(Push(Raw(write_frame("message")), users=[user])) or ():
            pass
        await asyncio.sleep(0)


async def looked(times: int = 2) -> None:
    """Until those who are behind have been looked at."""
    await asyncio.sleep(times * LOOK_S)


async def test_who_takes_nothing_for_a_while_is_closed() -> None:
    rig = Rig()
    _, wire = rig.join("ann")
    wire.stuck_bytes = MAX_BYTES + 1
    began = time.monotonic()
    await rig.push("ann")
    assert not wire.closes
    await until(lambda: bool(wire.closes))
    assert wire.closes == [(Close.SLOW_CONSUMER, "slow_consumer")]
    assert time.monotonic() - began >= SLOW_S


async def test_who_takes_a_little_at_a_time_is_not_closed() -> None:
    rig = Rig()
    connection, wire = rig.join("ann")
    wire.stuck_bytes = MAX_BYTES + 500
    await rig.push("ann")
    heard_at, ends = connection.heard_at, time.monotonic() + 3 * SLOW_S
    while time.monotonic() < ends:
        wire.stuck_bytes -= 10
        await looked(1)
    assert not wire.closes
    assert connection.heard_at > heard_at, "its heartbeats are not read, so what it takes is its sign of life"


async def test_who_is_far_behind_and_takes_a_byte_now_and_then_is_closed() -> None:
    rig = Rig()
    _, wire = rig.join("ann")
    wire.stuck_bytes = FULL * MAX_BYTES + 500
    began = time.monotonic()
    await rig.push("ann")
    while not wire.closes:
        wire.stuck_bytes -= 1
        await looked(1)
    assert wire.closes == [(Close.SLOW_CONSUMER, "slow_consumer")]
    assert time.monotonic() - began >= PATIENCE * SLOW_S


async def test_who_takes_while_as_much_comes_again_is_not_closed() -> None:
    rig = Rig()
    _, wire = rig.join("ann")
    wire.stuck_bytes = MAX_BYTES + 500
    ends = time.monotonic() + 3 * SLOW_S
    while time.monotonic() < ends:
        await rig.push("ann")
        wire.stuck_bytes -= 100  # taken before the next write, which brings as much
        wire.send = lambda data, wire=wire: setattr(wire, "stuck_bytes", MAX_BYTES + 500)  # type: ignore[assignment,misc]
        await looked(1)
    assert not wire.closes


async def test_nothing_is_read_from_who_is_behind() -> None:
    rig = Rig()
    _, wire = rig.join("ann")
    wire.stuck_bytes = MAX_BYTES + 1
    await rig.push("ann")
    assert wire.is_paused
    wire.stuck_bytes = MAX_BYTES // 2
    await until(lambda: not wire.is_paused)
    assert wire.ops == ["message"], "nothing was missed, so nothing is to be synced"


async def test_who_is_far_behind_gets_no_pushes_and_a_resync_when_it_has_caught_up() -> None:
    rig = Rig()
    connection, wire = rig.join("ann")
    wire.stuck_bytes = FULL * MAX_BYTES + 1
    for _ in range(5):
        await rig.push("ann")
    connection.reply(write_frame("reply", b"{}", "1"))
    await asyncio.sleep(0)
    assert wire.ops == ["message", "reply"], "answers are no pushes"
    wire.stuck_bytes = MAX_BYTES
    await looked()
    await rig.push("ann")
    assert wire.ops == ["message", "reply"], "between behind and caught up nothing changes"
    wire.stuck_bytes = 0
    await until(lambda: wire.ops == ["message", "reply", "resync"])
    await rig.push("ann")
    assert wire.ops[3:] == ["message"]


async def test_there_is_a_ceiling_whatever_it_takes() -> None:
    rig = Rig()
    _, wire = rig.join("ann")
    wire.stuck_bytes = CEILING * MAX_BYTES + 1
    await rig.push("ann")
    assert wire.closes == [(Close.SLOW_CONSUMER, "slow_consumer")]


async def test_an_end_while_something_waits_to_be_written_disturbs_nobody() -> None:
    """What was put for one that is then closed has its turn all the same, among those of others."""
    rig = Rig()
    slow, wire = rig.join("ann")
    gone, gone_wire = rig.join("bob")
    other, other_wire = rig.join("cat")
    wire.stuck_bytes = gone_wire.stuck_bytes = MAX_BYTES + 1
    await rig.push("ann")
    await rig.push("bob")
    close(gone, Close.RESTART)
    while not wire.closes:
        slow.reply(write_frame("reply", b"{}", "1"))
        gone.reply(write_frame("reply", b"{}", "1"))
        other.reply(write_frame("reply", b"{}", "1"))
        await asyncio.sleep(LOOK_S / 4)
    slow.reply(write_frame("reply", b"{}", "2"))
    gone.reply(write_frame("reply", b"{}", "2"))
    other.reply(write_frame("reply", b"{}", "2"))
    await asyncio.sleep(0)
    assert other_wire.frames[-1]["id"] == "2"
    await looked()
    assert "Backlogs(0 connections)" in repr(rig.outgoing)


# --- over real sockets


def message(number: int) -> Push:
    return Push(Raw(write_frame("message", b'{"number":%d,"x":"%b"}' % (number, b"x" * MESSAGE_BYTES))), users=["ann"])


def slow_consumers() -> float:
    return CLOSES.labels("4010")._value.get()


async def number_of(raw: RawSocket) -> Any:
    return (await raw.next_text())["data"]["number"]


@SOCKETS
async def test_a_client_that_reads_is_not_closed_for_what_it_was_sent_at_once(
    site: Site, door: type[RawSocket]
) -> None:
    """14 messages of 64 KB at once closed one on a busy machine: this one has no time to read for half a second."""
    closes = slow_consumers()
    async with await door.open(site, "ann") as raw:
        raw.stop_reading()
        site.push(*map(message, range(AT_ONCE)))
        await asyncio.sleep(0.5)
        raw.read_on()
        assert [await number_of(raw) for _ in range(AT_ONCE)] == list(range(AT_ONCE))
        raw.write(raw.command("sync", {"cursors": {}}, "1"))
        assert (await raw.next_text())["op"] == "reply"
    assert slow_consumers() == closes


@SOCKETS
async def test_what_is_too_much_at_once_is_told_by_resync_and_memory_is_bounded(
    site: Site, door: type[RawSocket]
) -> None:
    closes, most = slow_consumers(), 0
    async with await door.open(site, "ann", is_narrow=True) as raw:
        raw.stop_reading()
        (connection,) = site.gateway._hub.of_user("ann")
        for number in range(200):
            site.push(message(number))
            await asyncio.sleep(0)
            most = max(most, connection.wire.queued_bytes)
        assert most < 6 * 1024 * 1024, "200 messages of 64 KB are 12 MiB"
        raw.read_on()
        ops = []
        while "resync" not in ops:
            ops.append((await raw.next_text())["op"])
        assert set(ops[:-1]) == {"message"}
        site.push(message(200))
        assert await number_of(raw) == 200
    assert slow_consumers() == closes


@SOCKETS
async def test_who_asks_without_reading_is_heard_no_more_and_then_closed(
    new_site: NewSite, door: type[RawSocket]
) -> None:
    site = await new_site(messages_per_s=1_000_000, message_burst=1_000_000, slow_s=1)
    closes = slow_consumers()
    async with await door.open(site, "ann", is_narrow=True) as raw:
        raw.stop_reading()
        (connection,) = site.gateway._hub.of_user("ann")
        asked = {"cursors": {f"p:ann:{'b' * 60}{number:03}": 1 for number in range(300)}}
        for number in range(200):
            raw.write(raw.command("sync", asked, str(number)))
        most = 0
        while not connection.is_closed:
            most = max(most, connection.wire.queued_bytes)
            await asyncio.sleep(0.01)
        assert most < 1024 * 1024, "200 answers are 4.5 MB"
    assert slow_consumers() == closes + 1
