"""Commands up to the workers, over the bus in memory. Law: whatever was submitted is answered once, within its time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from bus import queues
from bus.interface import Put
from bus.memory.bus import MemoryBus
from bus.memory.gateway import MemoryGatewayBus
from gateway.road.numbering import CommandMaker
from gateway.road.reply_to import PendingReply, Refused
from gateway.road.uplink import MAX_BATCH_COMMANDS, Uplink
from protocol import codec
from protocol.errors import ImError
from protocol.models import Answer, UpwardMessage, UserInfo, read_upward
from protocol.ops import OPS, PARALLEL, read_args
from tests.gateway.wires import ADDRESS, PARTITIONS, FarEnd

ANN = UserInfo("ann", "web")


class Rig:
    """An uplink over a bus in memory."""

    def __init__(self, timeout_s: float = 30.0, max_pending: int = 10_000) -> None:
        self.bus = MemoryBus(PARTITIONS)
        self.end: MemoryGatewayBus = self.bus.gateway_end()
        self.uplink = Uplink(ADDRESS, self.end, timeout_s, max_pending)
        self.commands = CommandMaker("g1", "e1", PARTITIONS)

    async def start(self) -> Rig:
        await self.end.start(ADDRESS, self._received, lambda is_connected: None)
        self.uplink.start()
        return self

    def _received(self, body: bytes, ack: Any) -> None:
        ack()

    def submit(self, text: str = "hi", **changes: Any) -> PendingReply:
        data = {"conversation": "p:ann:bob", "cid": "c1", "type": "text", "body": {"text": text}, **changes}
        queue, command = self.commands.make(OPS["message.send"], read_args(OPS["message.send"], data), ANN)
        pending_reply = PendingReply()
        self.uplink.submit(queue, command, pending_reply, "1")
        return pending_reply

    def answer(self, number: int) -> None:
        self.uplink.answer(Answer(number, "reply", Raw(b"{}")))


async def _code(pending_reply: PendingReply) -> str:
    with pytest.raises(Refused) as refused:
        await pending_reply.answer
    return str(refused.value.error["code"])


async def _batches(far: FarEnd, count: int) -> list[list[int]]:
    """The numbers of the commands of the next batches, once `count` batches have come."""
    found: list[list[int]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += [[command.number for command in batch] for batch in far.batches()]
            await asyncio.sleep(0)
    return found


async def test_what_one_turn_of_the_loop_brings_leaves_at_once_and_together() -> None:
    rig = await Rig().start()
    far = FarEnd(rig.bus)
    for _ in range(3):
        rig.submit()
    assert far.batches() == []
    await asyncio.sleep(0)
    assert [[c.number for c in batch] for batch in far.batches()] == [[1, 2, 3]]
    rig.uplink.stop()


async def test_while_something_is_under_way_the_next_wait_for_one_another() -> None:
    rig = await Rig().start()
    far = FarEnd(rig.bus)
    rig.submit()
    assert await _batches(far, 1) == [[1]]
    rig.submit()
    await asyncio.sleep(0)
    rig.submit()
    assert far.batches() == []
    assert await _batches(far, 1) == [[2, 3]]  # by the delay, though nothing was answered
    rig.uplink.stop()


async def test_the_last_answer_lets_the_waiting_batch_go() -> None:
    rig = await Rig().start()
    far = FarEnd(rig.bus)
    rig.submit()
    await _batches(far, 1)
    rig.submit()
    rig.answer(1)
    assert [[c.number for c in batch] for batch in far.batches()] == [[2]]
    rig.uplink.stop()


async def test_a_full_batch_waits_for_nothing() -> None:
    rig = await Rig().start()
    far = FarEnd(rig.bus)
    for _ in range(MAX_BATCH_COMMANDS):
        rig.submit()
    assert [len(batch) for batch in far.batches()] == [MAX_BATCH_COMMANDS]
    for _ in range(5):
        rig.submit("x" * 60_000)
    assert [len(batch) for batch in far.batches()] == [5]
    rig.uplink.stop()


async def test_each_queue_has_a_batch_of_its_own_and_keeps_its_order() -> None:
    rig = await Rig().start()
    fars = [FarEnd(rig.bus, queues.ordered(partition)) for partition in range(PARTITIONS)]
    for number in range(20):
        rig.submit(conversation=f"p:ann:b{number}")
    await asyncio.sleep(0)
    came = [[c.number for c in far.commands()] for far in fars]
    assert sorted(came[0] + came[1]) == list(range(1, 21))
    assert all(numbers == sorted(numbers) and numbers for numbers in came)
    rig.uplink.stop()


async def test_an_answer_reaches_its_asker_once() -> None:
    rig = await Rig().start()
    pending_reply = rig.submit()
    rig.answer(1)
    rig.answer(1)
    assert await pending_reply.answer == b"{}"
    assert len(rig.uplink) == 0
    rig.uplink.stop()


async def test_without_an_answer_it_is_a_timeout() -> None:
    rig = await Rig(timeout_s=0.05).start()
    waiters = [rig.submit() for _ in range(3)]
    assert [await _code(pending_reply) for pending_reply in waiters] == ["timeout"] * 3
    assert len(rig.uplink) == 0
    far = FarEnd(rig.bus)
    await _batches(far, 1)
    rig.submit()  # nothing counts as under way any more, so this one leaves at once
    await asyncio.sleep(0)
    assert len(far.batches()) == 1
    rig.uplink.stop()


async def test_a_lost_broker_makes_outcomes_unknown() -> None:
    rig = await Rig().start()
    sent, waiting = rig.submit(), rig.submit()
    await asyncio.sleep(0)
    waiting = rig.submit()
    rig.uplink.abandon()
    assert await _code(sent) == await _code(waiting) == "timeout"
    far = FarEnd(rig.bus)
    await _batches(far, 1)
    again = rig.submit()
    assert await _batches(far, 1) == [[4]]
    rig.answer(4)
    assert await again.answer == b"{}"
    rig.uplink.stop()


async def test_too_many_under_way_or_no_broker_is_busy_at_once() -> None:
    rig = await Rig(max_pending=2).start()
    rig.submit()
    rig.submit()
    with pytest.raises(ImError) as refused:
        rig.submit()
    assert refused.value.code == "busy"
    rig.uplink.abandon()
    await rig.end.close()
    with pytest.raises(ImError) as refused:
        rig.submit()
    assert refused.value.code == "busy"
    rig.uplink.stop()


async def test_what_the_broker_does_not_take_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = await Rig().start()
    monkeypatch.setattr(rig.end, "publish", lambda queue, body: Put.BLOCKED)
    waiters = [rig.submit() for _ in range(2)]
    assert [await _code(pending_reply) for pending_reply in waiters] == ["busy", "busy"]
    monkeypatch.undo()
    far = FarEnd(rig.bus)
    rig.submit()
    assert await _batches(far, 1) == [[3]]
    rig.uplink.stop()


async def test_an_orderly_stop_leaves_nobody_waiting() -> None:
    rig = await Rig().start()
    pending_reply = rig.submit()
    rig.uplink.stop()
    assert await _code(pending_reply) == "timeout"


class TestCommandMaker:
    """From op and data to a command and its queue."""

    def make(self, op: str, data: dict[str, Any]) -> Any:
        return CommandMaker("g1", "e1", PARTITIONS).make(OPS[op], read_args(OPS[op], data), ANN, "s1", 3)

    def test_a_write_without_a_cid_gets_one_of_ours(self) -> None:
        data = {"group": "team"}
        _, command = self.make("group.leave", data)
        assert bytes(command.data) == b'{"group":"team","cid":"~e1.1"}'
        assert data == {"group": "team"}

    def test_a_cid_of_ours_is_not_for_clients(self) -> None:
        with pytest.raises(ImError, match="cid"):
            self.make("group.leave", {"group": "team", "cid": "~e1.1"})

    def test_a_created_group_goes_where_its_conversation_will_be(self) -> None:
        data = {"name": "x", "members": [], "cid": "c1"}
        first, _ = self.make("group.create", data)
        again, _ = self.make("group.create", data)
        assert first == again != PARALLEL

    def test_reads_go_to_parallel_and_lack_a_cid(self) -> None:
        queue, command = self.make("sync", {"cursors": {}})
        assert queue == PARALLEL
        assert bytes(command.data) == b'{"cursors":{}}'
        assert (command.sender, command.session, command.connection, command.origin) == (ANN, "s1", 3, "g1.e1")

    def test_commands_cross_the_bus_as_they_are(self) -> None:
        _, command = self.make("sync", {"cursors": {"p:ann:bob": 3}, "unknown": [1]})
        body = codec.write_struct(UpwardMessage(PARALLEL, "g1.e1", [command]))
        assert read_upward(body).bodies == [command]
