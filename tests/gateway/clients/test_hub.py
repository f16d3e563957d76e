"""How a push finds connections."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw

from gateway.clients.hub import USERS_A_STEP, Hub
from gateway.clients.outgoing import Outgoing
from gateway.clients.session import State
from gateway.metrics import TRANSIENTS_DROPPED
from protocol.addresses import connection_name
from protocol.frames import write_frame
from protocol.models import Push
from tests.gateway.wires import ADDRESS, Crowd, KeptWire

FRAME = Raw(write_frame("message", b'{"seq":1}'))
MAX_QUEUED_BYTES = 1000
SLOW_S = 60.0


class Rig:
    def __init__(self) -> None:
        self.outgoing = Outgoing(MAX_QUEUED_BYTES, SLOW_S)
        self.hub = Hub(ADDRESS, self.outgoing)
        self.crowd = Crowd(self.hub)

    def push(self, *users: str, group: str = "", **more: object) -> None:
        push = Push(FRAME, users=list(users), group=group, **more)  # type: ignore[arg-type]
        for _ in self.hub.push(push) or ():
            pass
        self.outgoing.write()


async def test_a_push_reaches_every_connection_of_its_users_and_no_other() -> None:
    rig = Rig()
    _, phone = rig.crowd.join("ann", terminal="app")
    _, page = rig.crowd.join("ann")
    _, bob = rig.crowd.join("bob")
    _, cat = rig.crowd.join("cat")
    rig.push("ann", "bob", "nobody")
    assert [wire.ops for wire in (phone, page, bob, cat)] == [["message"], ["message"], ["message"], []]


async def test_a_push_to_a_group_reaches_its_members_here() -> None:
    rig = Rig()
    _, ann = rig.crowd.join("ann", "team")
    _, bob = rig.crowd.join("bob", "other")
    rig.push(group="team")
    assert (ann.ops, bob.ops) == (["message"], [])


async def test_who_joined_after_a_message_does_not_get_it() -> None:
    """Its sender may send it again, and then it is pushed again."""
    rig = Rig()
    _, ann = rig.crowd.join("ann", "team")
    _, bob = rig.crowd.join("bob")
    rig.hub.membership.join("bob", "team", 8)
    for seq in (7, 8, 9):
        rig.push(group="team", seq=seq)
    assert (len(ann.ops), len(bob.ops)) == (3, 2)


async def test_the_connection_that_sent_it_gets_none_but_its_user_does() -> None:
    rig = Rig()
    sender, sent_from = rig.crowd.join("ann")
    _, phone = rig.crowd.join("ann", terminal="app")
    rig.push("ann", excluded=sender.name)
    assert (sent_from.ops, phone.ops) == ([], ["message"])
    elsewhere = connection_name("g2.e1", sender.number)  # a connection of another gateway has the same number
    rig.push("ann", excluded=elsewhere)
    assert sent_from.ops == ["message"]


async def test_only_the_terminals_that_are_meant() -> None:
    rig = Rig()
    _, phone = rig.crowd.join("ann", terminal="app")
    _, page = rig.crowd.join("ann")
    rig.push("ann", terminals=["app"])
    assert (phone.ops, page.ops) == (["message"], [])


async def test_nothing_before_the_login_is_done_nor_after_the_end() -> None:
    rig = Rig()
    opening, early = rig.crowd.join("ann")
    opening.session.state = State.OPENING
    closed, late = rig.crowd.join("ann")
    closed.session.move(State.CLOSED)
    rig.push("ann")
    assert (early.ops, late.ops) == ([], [])


@pytest.mark.parametrize("group", ["", "team"])
async def test_nothing_while_it_may_be_for_somebody_who_left(group: str) -> None:
    rig = Rig()
    _, ann = rig.crowd.join("ann", "team")
    rig.hub.is_trusted = False
    rig.push("ann", group=group)
    assert ann.ops == []


async def test_a_long_fan_out_ends_where_trust_ends() -> None:
    rig = Rig()
    wires = [rig.crowd.join(f"u{number}", "team")[1] for number in range(USERS_A_STEP + 2)]
    steps = rig.hub.push(Push(FRAME, group="team"))
    assert steps is not None
    next(steps)  # before the first step
    next(steps)  # between the first and the second
    rig.hub.is_trusted = False
    assert list(steps) == []
    written = asyncio.Event()
    rig.outgoing.when_written(written.set)
    await written.wait()
    assert [wire.ops for wire in wires] == [*[["message"]] * USERS_A_STEP, [], []]


@pytest.mark.parametrize("group", ["", "team"])
async def test_a_transient_push_is_for_those_who_are_behind_with_nothing(group: str) -> None:
    rig = Rig()
    _, idle = rig.crowd.join("ann", "team")
    collecting, filled = rig.crowd.join("bob", "team")
    _, behind = rig.crowd.join("cat", "team")
    collecting.reply(write_frame("heartbeat"))
    behind.stuck_bytes = 1
    dropped = TRANSIENTS_DROPPED.count
    rig.push("ann", "bob", "cat", group=group, transient=True)
    assert (idle.ops, filled.ops, behind.ops) == (["message"], ["heartbeat"], [])
    assert TRANSIENTS_DROPPED.count - dropped == 2


async def test_a_transient_frame_puts_no_connection_behind_but_what_comes_after_it_may() -> None:
    rig = Rig()
    connection, wire = rig.crowd.join("ann")
    rig.push("ann", transient=True)
    size = len(wire.writes[0])
    wire.stuck_bytes = MAX_QUEUED_BYTES + size  # as if the peer had taken nothing of it
    connection.reply(write_frame("heartbeat"))
    rig.outgoing.write()
    assert not connection.is_behind
    wire.stuck_bytes += 1
    connection.reply(write_frame("heartbeat"))
    rig.outgoing.write()
    assert connection.is_behind


async def test_an_answer_for_a_connection_that_is_closed_is_dropped() -> None:
    rig = Rig()
    connection, wire = rig.crowd.join("ann")
    connection.pending = 2
    connection.answered(None, "reply", b"{}")
    connection.is_closed = True
    connection.answered("1", "reply", b"{}")
    rig.outgoing.write()
    assert (wire.writes, connection.pending) == ([], 0)


async def test_the_last_connection_of_a_user_takes_the_groups_along() -> None:
    rig = Rig()
    first, _ = rig.crowd.join("ann", "team", "other")
    second, _ = rig.crowd.join("ann", "team", "other")
    rig.crowd.join("bob", "other")
    assert rig.hub.leave(first) == []
    assert rig.hub.leave(first) == []
    assert rig.hub.leave(second) == ["team"]
    assert rig.hub.users() == ["bob"]


async def test_connections_are_found_by_session_and_told_to_a_router_that_forgot() -> None:
    rig = Rig()
    ann, _ = rig.crowd.join("ann", "team", session="s1")
    rig.crowd.join("bob", session="s2")
    assert rig.hub.of_sessions(["s1", "s3"]) == [ann]
    assert rig.hub.snapshot().groups == ["team"]
    assert len(rig.hub.opened()) == 2


def test_a_frame_is_framed_once_a_door() -> None:
    framed: list[bytes] = []

    class Counting(KeptWire):
        framed = staticmethod(lambda payload: framed.append(payload) or payload + b"\n")  # type: ignore[func-returns-value]

    async def run() -> None:
        rig = Rig()
        for number in range(5):
            connection, _ = rig.crowd.join(f"u{number}")
            connection.wire = Counting()
        rig.push(*(f"u{number}" for number in range(5)))

    asyncio.run(run())
    assert len(framed) == 1
