"""How a stopping gateway sends its clients away."""

from __future__ import annotations

import asyncio

from gateway.clients.hub import Hub
from gateway.clients.outgoing import Outgoing
from gateway.sessions.drain import AFTER_MS, CONNECTIONS_PER_S, send_everyone_away
from protocol.errors import Close
from tests.gateway.wires import ADDRESS, Crowd, KeptWire


class Rig:
    def __init__(self) -> None:
        self.hub = Hub(ADDRESS, Outgoing(1000, 60.0))
        self.crowd = Crowd(self.hub)

    def leave(self, spread_s: float = 5.0, answer_s: float = 5.0) -> asyncio.Task[None]:
        return asyncio.create_task(send_everyone_away(self.hub, spread_s, answer_s))


def was_sent_away(wire: KeptWire) -> bool:
    """Told when to come back, then closed."""
    frames = [frame for frame in wire.frames if frame["op"] == "reconnect"]
    return [frame["data"]["after"] < AFTER_MS for frame in frames] == [True] and wire.closes[0][0] is Close.RESTART


async def test_a_few_leave_at_once_and_who_waits_for_an_answer_after_it() -> None:
    rig = Rig()
    _, idle = rig.crowd.join("ann")
    waiting, wire = rig.crowd.join("bob")
    waiting.pending = 1
    leaving = rig.leave()
    while not idle.closes:
        await asyncio.sleep(0)
    assert was_sent_away(idle)
    assert not wire.closes
    waiting.answered("7", "reply", b"{}")
    await leaving
    assert wire.ops == ["reply", "reconnect"]
    assert was_sent_away(wire)


async def test_who_gets_no_answer_in_time_leaves_without() -> None:
    rig = Rig()
    waiting, wire = rig.crowd.join("bob")
    waiting.pending = 1
    await rig.leave(answer_s=0.05)
    assert was_sent_away(wire)


async def test_a_crowd_leaves_in_slices_and_within_the_time_given() -> None:
    rig = Rig()
    wires = [rig.crowd.join(f"u{number}")[1] for number in range(CONNECTIONS_PER_S)]
    leaving = rig.leave(spread_s=0.5)
    await asyncio.sleep(0)
    first = sum(bool(wire.closes) for wire in wires)
    assert 0 < first < len(wires) / 2
    await leaving
    assert all(map(was_sent_away, wires))


async def test_who_comes_meanwhile_leaves_too() -> None:
    rig = Rig()
    for number in range(CONNECTIONS_PER_S):
        rig.crowd.join(f"u{number}")
    leaving = rig.leave(spread_s=0.2)
    await asyncio.sleep(0)
    _, late = rig.crowd.join("late")
    await leaving
    assert was_sent_away(late)
