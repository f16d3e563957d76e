"""How collected frames are written: in order, in few writes, in turns."""

from __future__ import annotations

import asyncio
import time

from gateway.clients.connection import Connection
from gateway.clients.hub import Hub
from gateway.clients.outgoing import STEP, TURN_S, Outgoing
from protocol.frames import write_frame
from tests.gateway.wires import ADDRESS, Crowd, KeptWire

SLOW_S = 60.0


class Rig:
    def __init__(self, max_queued_bytes: int = 1000) -> None:
        self.outgoing = Outgoing(max_queued_bytes, SLOW_S)
        self.crowd = Crowd(Hub(ADDRESS, self.outgoing))

    def join(self, user: str) -> tuple[Connection, KeptWire]:
        return self.crowd.join(user)


class LongWire(KeptWire):
    """Takes as long for a write as a whole turn may."""

    def send(self, data: bytes) -> None:
        super().send(data)
        until = time.monotonic() + TURN_S
        while time.monotonic() < until:
            continue


async def test_what_is_collected_leaves_in_one_write_at_the_next_turn() -> None:
    rig = Rig()
    connection, wire = rig.join("ann")
    for number in range(3):
        connection.reply(write_frame("reply", b"{}", str(number)))
    assert wire.writes == []
    await asyncio.sleep(0)
    assert len(wire.writes) == 1
    assert [frame["id"] for frame in wire.frames] == ["0", "1", "2"]


async def test_what_is_sent_at_once_stays_behind_what_was_collected() -> None:
    rig = Rig()
    connection, wire = rig.join("ann")
    connection.reply(write_frame("reply", b"{}", "1"))
    connection.send(write_frame("kicked"))
    connection.reply(write_frame("reply", b"{}", "2"))
    await asyncio.sleep(0)
    assert wire.ops == ["reply", "kicked", "reply"]


async def test_a_peer_that_takes_too_little_is_behind_however_the_frames_came() -> None:
    rig = Rig(max_queued_bytes=10)
    pushed, one = rig.join("ann")
    replying, two = rig.join("bob")
    other, fine = rig.join("cat")
    one.stuck_bytes = two.stuck_bytes = 11
    other.reply(write_frame("message"))
    pushed.reply(write_frame("message"))
    await asyncio.sleep(0)
    assert pushed.is_behind and not replying.is_behind
    replying.reply(write_frame("heartbeat"))
    await asyncio.sleep(0)
    assert replying.is_behind
    assert fine.ops == ["message"] and not other.is_behind


async def test_the_loop_gets_its_turn_and_what_came_meanwhile_leaves_with_what_waited() -> None:
    rig = Rig()
    crowd = [rig.join(f"u{number}") for number in range(2 * STEP)]
    crowd[0][0].wire = crowd[0][0].wire = LongWire()
    for connection, _ in crowd:
        connection.reply(write_frame("message", b"1"))
    await asyncio.sleep(0)
    written = [len(wire.writes) for _, wire in crowd[1:]]
    assert sum(written) < len(crowd) - 1, "one turn wrote everybody's"
    for connection, _ in crowd:
        connection.reply(write_frame("message", b"2"))
    while any(connection.outbox for connection, _ in crowd):
        await asyncio.sleep(0)
    assert all(wire.ops == ["message", "message"] for _, wire in crowd[1:])
    waited = [wire for (_, wire), was in zip(crowd[1:], written, strict=True) if not was]
    assert all(len(wire.writes) == 1 for wire in waited)


async def test_who_asks_is_told_when_all_that_was_put_before_is_written() -> None:
    rig = Rig()
    told: list[str] = []
    rig.outgoing.when_written(lambda: told.append("nothing waits"))
    assert told == ["nothing waits"]
    first, wire = rig.join("ann")
    first.reply(write_frame("message"))
    rig.outgoing.when_written(lambda: told.append(f"{len(wire.writes)} written"))
    first.send(write_frame("message"))  # written at once, but the turn has not come
    assert told == ["nothing waits"]
    await asyncio.sleep(0)
    assert told == ["nothing waits", "2 written"]
