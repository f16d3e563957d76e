"""A device against a gateway that misbehaves on command: every rule of protocol.md section 5, "What a client does"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hongyan import outbox as outboxes
from hongyan.connection import Lost, Refused
from hongyan.device import Device
from hongyan.state import Message
from websockets.asyncio.server import ServerConnection, serve

from tests.client import Client, Recorder
from tests.faults.history import Disturbed, Sent, Synced

C = "p:alice:bob"
BUSY = {"code": "busy", "message": "later", "retry": True}


NOW_MS = 1_763_000_000_000


class Gateway:
    """One conversation, which the test writes; `sends` are the frames of message.send as they came."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.sends: list[dict[str, Any]] = []
        self.syncs = 0
        self.asked: list[dict[str, Any]] = []
        self.lists: list[dict[str, Any]] = []
        self.old = 0  # so many conversations with others, of one message each
        self.logins = 0
        self.socket: ServerConnection | None = None
        self.refusals: list[dict[str, Any]] = []
        self.is_mute = False
        self.is_left = False  # the user is not in C any more
        self.url = ""
        self.epoch = "e"

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            seq = len(self.messages) + 1
            body = {"text": f"m{seq}"}
            self.messages.append(
                {
                    "conversation": C,
                    "seq": seq,
                    "cid": f"b{seq}",
                    "sender": "bob",
                    "type": "text",
                    "body": body,
                    "time": 1,
                }
            )

    async def tell(self, op: str, data: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps({"op": op, "data": data}))

    async def push(self, seq: int) -> None:
        await self.tell("message", self.messages[seq - 1])

    async def serve(self, socket: ServerConnection) -> None:
        self.socket = socket
        async for raw in socket:
            frame = json.loads(raw)
            answer = self.answer(frame)
            if answer is not None:
                op = "error" if "code" in answer else "reply"
                await socket.send(json.dumps({"op": op, "id": frame["id"], "data": answer}))

    def answer(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        data = frame["data"]
        if frame["op"] == "login":
            self.logins += 1
            return {
                "user": {"id": "alice", "name": "alice"},
                "session": "s",
                "heartbeat": 30,
                "time": 1,
                "epoch": self.epoch,
            }
        if frame["op"] == "conversation.list":
            self.lists.append(data)
            return self.listed(data)
        if frame["op"] == "message.send":
            return self.send(data)
        if frame["op"] == "message.history":
            return {"messages": self.messages[data["after"] :][:2], "max_seq": len(self.messages)}
        assert frame["op"] == "sync", frame
        self.syncs += 1
        self.asked.append(data)
        had = data["cursors"].get(C, 0)
        missing = self.messages[had:]
        entry = {"conversation": C, "max_seq": len(self.messages), "read_seq": 0, "unread": 0, "from": had + 1}
        more = [C] if len(missing) > 2 and not self.is_left else []
        entries = [entry] if missing else []
        answer = {"conversations": entries, "messages": missing[:2], "more": more}
        answer["gone"] = [C] if self.is_left and C in data["cursors"] else []
        return {"epoch": self.epoch, "time": NOW_MS + self.syncs, **answer}

    def listed(self, data: dict[str, Any]) -> dict[str, Any]:
        """The conversation of the test, and then the old ones, of a week before."""
        place, limit = int(data.get("after", 0)), data["limit"]
        views = [{"conversation": C, "read_seq": 0, "last": {"time": NOW_MS}}] if self.messages else []
        time = NOW_MS - 7 * 86_400_000
        views += [{"conversation": f"p:a:{n}", "read_seq": 1, "last": {"time": time}} for n in range(self.old)]
        more = {"next": str(place + limit)} if len(views) > place + limit else {}
        return {"conversations": views[place : place + limit], **more}

    def send(self, data: dict[str, Any]) -> dict[str, Any] | None:
        self.sends.append(data)
        if self.refusals:
            return self.refusals.pop(0)
        known = [m for m in self.messages if m["cid"] == data["cid"]]
        if not known:
            self.messages.append({**data, "sender": "alice", "seq": len(self.messages) + 1, "time": 1})
        if self.is_mute:
            return None
        seq = known[0]["seq"] if known else len(self.messages)
        return {"conversation": C, "seq": seq, "time": 1, "duplicate": bool(known)}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    async with serve(made.serve, "127.0.0.1", 0) as server:
        made.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield made


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    async with Client(gateway.url, "alice", "token") as made:
        yield made


def reasons(client: Client, kind: type[Disturbed] | type[Synced]) -> list[str]:
    return [event.reason for event in client.seen.events if isinstance(event, kind)]


async def have(client: Client, count: int) -> None:
    await client.until(lambda: len(client.seqs(C)) >= count)
    assert client.seqs(C) == list(range(1, count + 1))


async def test_a_login_is_followed_by_one_sync_with_all_its_pages(gateway: Gateway) -> None:
    gateway.write(7)
    async with Client(gateway.url, "alice", "token") as client:
        await have(client, 7)
    assert (gateway.logins, gateway.syncs) == (1, 1)
    assert reasons(client, Synced) == reasons(client, Disturbed) == ["login"]


async def test_of_a_group_that_was_left_meanwhile_all_that_was_said_before_is_fetched(
    gateway: Gateway, client: Client
) -> None:
    gateway.write()
    await gateway.push(1)
    gateway.write(6)
    gateway.is_left = True
    await gateway.tell("resync", {})
    await have(client, 7)
    assert [asked.get("only", False) for asked in gateway.asked] == [False, False, True, True]


async def test_a_sync_says_since_when(gateway: Gateway, client: Client) -> None:
    await gateway.tell("resync", {})
    await client.until(lambda: gateway.syncs == 2)
    assert [asked.get("since") for asked in gateway.asked] == [None, NOW_MS + 1]


async def test_a_device_with_very_many_conversations_names_those_that_were_active(gateway: Gateway) -> None:
    gateway.old = 1000
    gateway.write()
    async with Client(gateway.url, "alice", "token") as client:
        await have(client, 1)
        lists, syncs = len(gateway.lists), gateway.syncs
        gateway.write()
        await gateway.tell("resync", {})
        await have(client, 2)
    assert (lists, syncs) == (6, 4)
    assert len(gateway.lists) == 7  # a week ago is long enough
    active = [f"p:a:{n}" for n in range(199)]
    named, rest = gateway.asked[4:]
    assert named["cursors"] == dict.fromkeys([C, *active], 1) and named["only"]
    assert rest["cursors"] == {} and rest["since"] == named["since"] == NOW_MS + 1


async def test_a_gap_is_one_sync_however_much_follows(gateway: Gateway, client: Client) -> None:
    gateway.write(9)
    for seq in (1, 2, 5, 7, 8, 6, 9):
        await gateway.push(seq)
    await have(client, 9)
    assert reasons(client, Synced) == ["login", "gap"]
    gateway.write()
    await gateway.push(10)
    await have(client, 10)
    assert gateway.syncs == 2


async def test_resync_is_a_sync(gateway: Gateway, client: Client) -> None:
    gateway.write(3)
    await gateway.tell("resync", {})
    await have(client, 3)
    assert reasons(client, Synced) == ["login", "resync"]


async def test_what_had_no_answer_is_sent_again_after_a_reconnect(gateway: Gateway, client: Client) -> None:
    gateway.is_mute = True
    said = asyncio.ensure_future(client.say(C, "hello"))
    await client.until(lambda: any(isinstance(event, Sent) for event in client.seen.events))
    while not gateway.sends:
        await asyncio.sleep(0)
    gateway.is_mute = False
    assert gateway.socket is not None
    gateway.socket.transport.abort()
    assert await said == {"conversation": C, "seq": 1, "time": 1, "duplicate": True}
    await have(client, 1)
    assert gateway.sends[0] == gateway.sends[1]
    assert reasons(client, Synced) == ["login", "reconnect"]


async def test_an_answer_that_does_not_come_is_asked_for_again(
    gateway: Gateway, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "ANSWER_S", 0.05)
    gateway.is_mute = True
    said = asyncio.ensure_future(client.say(C, "hello"))
    while len(gateway.sends) < 3:
        await asyncio.sleep(0.01)
    gateway.is_mute = False
    assert (await said)["duplicate"]
    assert len({send["cid"] for send in gateway.sends}) == 1
    await have(client, 1)


async def test_busy_is_tried_again_and_a_refusal_is_final(gateway: Gateway, client: Client) -> None:
    gateway.refusals = [{"code": code, "message": "later", "retry": True} for code in ("busy", "timeout")]
    assert (await client.say(C, "hello"))["seq"] == 1
    assert len(gateway.sends) == 3
    gateway.refusals = [{"code": "forbidden", "message": "no", "retry": False}]
    with pytest.raises(Refused, match="forbidden"):
        await client.say(C, "hello again")
    assert len(gateway.sends) == 4


@pytest.mark.slow
async def test_after_a_reconnect_only_the_oldest_is_sent_again_and_the_others_wait(
    gateway: Gateway, client: Client
) -> None:
    gateway.is_mute = True
    said = [asyncio.ensure_future(client.say(C, text)) for text in ("one", "two", "three")]
    while len(gateway.sends) < 3:
        await asyncio.sleep(0.01)
    gateway.is_mute, gateway.sends = False, []
    gateway.refusals = [BUSY, BUSY, BUSY]
    assert gateway.socket is not None
    gateway.socket.transport.abort()
    assert [reply["seq"] for reply in await asyncio.gather(*said)] == [1, 2, 3]
    assert [send["body"]["text"] for send in gateway.sends] == ["one"] * 4 + ["two", "three"]


async def test_one_at_a_time_keeps_the_order_whatever_is_refused(gateway: Gateway) -> None:
    device = Device([gateway.url], {"token": "token"}, Recorder("alice", "d", []), at_once=1)
    running = asyncio.create_task(device.run())
    await device.in_step.wait()
    gateway.refusals = [BUSY, {**BUSY, "code": "rate_limited", "retry_after": 0.1}]
    said = [device.send(C, {"text": text}) for text in ("one", "two", "three")]
    assert device.untried == 2
    await asyncio.gather(*said)
    running.cancel()
    assert [message["body"]["text"] for message in gateway.messages] == ["one", "two", "three"]
    assert len(gateway.sends) == 5


async def test_what_is_refused_for_good_lets_the_next_go(gateway: Gateway) -> None:
    device = Device([gateway.url], {"token": "token"}, Recorder("alice", "d", []), at_once=1)
    running = asyncio.create_task(device.run())
    await device.in_step.wait()
    gateway.refusals = [{"code": "forbidden", "message": "no", "retry": False}]
    first, second = device.send(C, {"text": "one"}), device.send(C, {"text": "two"})
    with pytest.raises(Refused, match="forbidden"):
        await first
    assert (await second)["seq"] == 1
    running.cancel()


async def test_after_a_restore_a_device_has_what_the_store_has(gateway: Gateway, client: Client) -> None:
    """Messages 3 and 4 are lost; message 3 is another one then. Nothing that was acknowledged is sent again."""
    await client.say(C, "kept")
    gateway.write(1)
    await gateway.push(2)
    await client.say(C, "acknowledged, and lost")
    gateway.write(1)
    await gateway.push(4)
    await have(client, 4)
    assert gateway.socket is not None
    await gateway.socket.close(1012)
    del gateway.messages[2:]
    gateway.write(1)
    gateway.epoch = "e2"
    await client.until(lambda: client.seen.restores == 1)
    await have(client, 3)
    assert client.spoken(C) == ["kept", "m2", "m3"]
    assert len(gateway.sends) == 2


async def test_a_restore_that_only_a_sync_tells_of_is_noticed(gateway: Gateway, client: Client) -> None:
    gateway.write(4)
    await gateway.tell("resync", {})
    await have(client, 4)
    del gateway.messages[2:]
    gateway.write(1)
    gateway.epoch = "e2"
    await gateway.tell("resync", {})
    await client.until(lambda: client.seen.restores == 1)
    await have(client, 3)
    assert client.seqs(C) == [1, 2, 3]


async def test_a_restart_is_waited_for_as_told(gateway: Gateway, client: Client) -> None:
    gateway.write(2)
    await gateway.tell("reconnect", {"after": 1})
    assert gateway.socket is not None
    await gateway.socket.close(1012)
    await have(client, 2)
    assert gateway.logins == 2


@pytest.mark.parametrize("code", [4004, 4006, 4003, 1003])
async def test_some_closes_are_for_good(gateway: Gateway, client: Client, code: int) -> None:
    assert gateway.socket is not None
    gateway.is_mute = True
    said = asyncio.ensure_future(client.say(C, "never answered"))
    await gateway.socket.close(code, "because")
    assert client.task is not None
    ended = await client.task
    assert (ended.code, ended.reason) == (code, "because")
    with pytest.raises(Lost):
        await said
    assert gateway.logins == 1
