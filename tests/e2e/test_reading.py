"""What a user gets to read: sync, history, lists, unread, receipts (protocol.md section 5, "Reading" and "sync")."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from protocol.frames import MAX_SERVER_FRAME_BYTES
from protocol.ids import private_conversation
from tests.client import Socket
from tests.deployments import Deployment, User
from tests.e2e.conftest import NewClient, NewSocket, NewUser
from tests.http_calls import Answer, api

Call = Callable[..., Awaitable[Answer]]


@pytest.fixture
def call(deployment: Deployment) -> Call:
    """`await call(user, op, **data)` over HTTP."""

    async def made(user: User, op: str, **data: Any) -> Answer:
        return await api(deployment.ports[0], op, data, user.token)

    return made


async def fill(socket: Socket, conversation: str, texts: list[str]) -> None:
    """Send these at once; returns when all are stored."""
    for number, text in enumerate(texts):
        data = {"conversation": conversation, "cid": f"{conversation}.{number}", "type": "text", "body": {"text": text}}
        await socket.write_frame("message.send", data, id=f"f{number}")
    for number in range(len(texts)):
        assert (await socket.answer(f"f{number}"))["op"] == "reply"


def seqs(messages: list[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in messages]


async def test_history_pages_both_ways(new_user: NewUser, new_socket: NewSocket, call: Call) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    await fill(await new_socket(alice), conversation, [f"m{n}" for n in range(1, 121)])
    newest = (await call(bob, "message.history", conversation=conversation)).data
    assert (seqs(newest["messages"]), newest["max_seq"]) == (list(range(71, 121)), 120)
    before = (await call(bob, "message.history", conversation=conversation, before=71, limit=20)).data
    assert seqs(before["messages"]) == list(range(51, 71))
    after = (await call(bob, "message.history", conversation=conversation, after=0, limit=200)).data
    assert seqs(after["messages"]) == list(range(1, 121))
    assert [m["body"]["text"] for m in after["messages"]] == [f"m{n}" for n in range(1, 121)]
    times = [message["time"] for message in after["messages"]]
    assert times == sorted(times)
    beyond = (await call(bob, "message.history", conversation=conversation, after=120)).data
    assert beyond == {"messages": [], "max_seq": 120}
    first = (await call(bob, "message.history", conversation=conversation, before=1)).data
    assert first["messages"] == []


async def test_history_of_two_who_never_wrote(new_user: NewUser, call: Call) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    assert (await call(alice, "message.history", conversation=conversation)).data == {"messages": [], "max_seq": 0}


async def test_lists_stop_at_96_KiB_and_go_on(new_user: NewUser, new_socket: NewSocket, call: Call) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    big = ["雁" * 5000 + str(n) for n in range(1, 13)]
    await fill(await new_socket(alice), conversation, big)
    answer = await call(bob, "message.history", conversation=conversation, after=0)
    got = seqs(answer.data["messages"])
    assert len(answer.body) < MAX_SERVER_FRAME_BYTES
    assert got == list(range(1, len(got) + 1))
    assert 0 < len(got) < 12
    newest = seqs((await call(bob, "message.history", conversation=conversation)).data["messages"])
    assert newest == list(range(13 - len(newest), 13))
    synced = await call(bob, "sync", cursors={conversation: 0})
    assert len(synced.body) < MAX_SERVER_FRAME_BYTES
    assert synced.data["more"] == [conversation]
    assert seqs(synced.data["messages"]) == list(range(1, len(synced.data["messages"]) + 1))


async def test_sync_tells_what_is_beyond_the_cursors(new_user: NewUser, new_socket: NewSocket, call: Call) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    with_bob, with_carol = private_conversation(alice.id, bob.id), private_conversation(alice.id, carol.id)
    socket = await new_socket(alice)
    await fill(socket, with_bob, ["b1", "b2", "b3"])
    await fill(socket, with_carol, ["c1"])
    fresh = (await call(bob, "sync", cursors={})).data
    entry = {"conversation": with_bob, "max_seq": 3, "read_seq": 0, "unread": 3, "from": 1}
    assert fresh["conversations"] == [entry]
    assert [(m["seq"], m["sender"], m["body"]["text"]) for m in fresh["messages"]] == [
        (1, alice.id, "b1"),
        (2, alice.id, "b2"),
        (3, alice.id, "b3"),
    ]
    assert (fresh["more"], fresh["gone"], fresh.get("next")) == ([], [], None)
    some = (await call(bob, "sync", cursors={with_bob: 2})).data
    assert (seqs(some["messages"]), some["conversations"][0]["from"]) == ([3], 3)
    # What is wholly had but unread is still named.
    had = (await call(bob, "sync", cursors={with_bob: 3})).data
    assert (had["messages"], had["conversations"]) == ([], [{**entry, "from": 4}])
    beyond = (await call(bob, "sync", cursors={with_bob: 2**53})).data
    assert {**beyond, "time": had["time"]} == had
    # The sender has read what she sent.
    assert (await call(alice, "sync", cursors={})).data["conversations"] == []
    both = (await call(alice, "sync", cursors={with_bob: 1, with_carol: 0})).data
    assert [(m["conversation"], m["seq"]) for m in both["messages"]] == sorted(
        [(with_bob, 2), (with_bob, 3), (with_carol, 1)]
    )
    only = (await call(alice, "sync", cursors={with_carol: 0}, only=True)).data
    assert {m["conversation"] for m in only["messages"]} == {with_carol}


async def test_only_leaves_out_what_was_not_asked_for(new_user: NewUser, new_socket: NewSocket, call: Call) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    for sender in (bob, carol):
        await fill(await new_socket(sender), private_conversation(alice.id, sender.id), ["hello"])
    with_bob = private_conversation(alice.id, bob.id)
    synced = (await call(alice, "sync", cursors={with_bob: 0}, only=True)).data
    assert [entry["conversation"] for entry in synced["conversations"]] == [with_bob]
    assert (await call(alice, "sync", cursors={}, only=True)).data["conversations"] == []


async def test_with_another_epoch_cursors_are_ignored(new_user: NewUser, new_socket: NewSocket, call: Call) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    await fill(await new_socket(alice), conversation, ["one", "two"])
    epoch = (await call(bob, "sync", cursors={})).data["epoch"]
    assert (await call(bob, "sync", cursors={conversation: 2}, epoch=epoch)).data["messages"] == []
    restored = (await call(bob, "sync", cursors={conversation: 2}, epoch="of another store")).data
    assert (seqs(restored["messages"]), restored["epoch"]) == ([1, 2], epoch)


async def test_a_long_sync_says_more_and_history_brings_it(
    new_user: NewUser, new_socket: NewSocket, call: Call
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    await fill(await new_socket(alice), conversation, [f"m{n}" for n in range(900)])
    synced = (await call(bob, "sync", cursors={})).data
    assert synced["more"] == [conversation]
    got = seqs(synced["messages"])
    assert got == list(range(1, len(got) + 1))
    assert 0 < len(got) <= 500
    while len(got) < 900:
        page = (await call(bob, "message.history", conversation=conversation, after=got[-1], limit=200)).data
        got += seqs(page["messages"])
    assert got == list(range(1, 901))


async def test_many_conversations_come_in_pages(new_user: NewUser, new_socket: NewSocket, call: Call) -> None:
    alice = new_user("alice")
    socket = await new_socket(alice)
    others = [new_user("other").id for _ in range(160)]
    expected = {private_conversation(alice.id, other) for other in others}
    for number, conversation in enumerate(sorted(expected)):
        data = {"conversation": conversation, "cid": f"c{number}", "type": "text", "body": {"text": "hello"}}
        await socket.write_frame("message.send", data, id=f"f{number}")
    for number in range(len(expected)):
        await socket.answer(f"f{number}")
    cursors = dict.fromkeys(expected, 0)
    got: list[tuple[str, int]] = []
    request: dict[str, Any] = {"cursors": cursors}
    while True:
        reply = (await call(alice, "sync", **request)).data
        got += [(m["conversation"], m["seq"]) for m in reply["messages"]]
        if "next" not in reply:
            break
        request["after"] = reply["next"]
    assert sorted(got) == [(conversation, 1) for conversation in sorted(expected)]
    listed: list[dict[str, Any]] = []
    request = {"limit": 50}
    while True:
        reply = (await call(alice, "conversation.list", **request)).data
        assert len(reply["conversations"]) <= 50
        listed += reply["conversations"]
        if "next" not in reply:
            break
        request["after"] = reply["next"]
    assert len(listed) == 160
    assert {view["conversation"] for view in listed} == expected
    times = [view["last"]["time"] for view in listed]
    assert times == sorted(times, reverse=True)


async def test_the_list_of_conversations(new_user: NewUser, new_socket: NewSocket, call: Call) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    await fill(await new_socket(alice), conversation, ["one", "two"])
    (view,) = (await call(bob, "conversation.list")).data["conversations"]
    assert view.pop("last")["body"] == {"text": "two"}
    assert view == {
        "conversation": conversation,
        "max_seq": 2,
        "read_seq": 0,
        "unread": 2,
        "mentioned": False,
        "pinned": False,
        "muted": False,
        "draft": "",
        "peer_read_seq": 2,
    }
    (view,) = (await call(alice, "conversation.list")).data["conversations"]
    assert (view["unread"], view["read_seq"], view["peer_read_seq"]) == (0, 2, 0)


async def test_events_are_not_unread_and_mentions_are_told(
    new_user: NewUser, new_socket: NewSocket, call: Call
) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    made = (await call(alice, "group.create", name="geese", members=[bob.id, carol.id])).data
    conversation = f"g:{made['group']['id']}"
    assert (await call(bob, "conversation.list")).data["conversations"][0]["unread"] == 0
    socket = await new_socket(alice)
    for cid, mentions in (("m1", [bob.id]), ("m2", ["all"]), ("m3", None)):
        data = {"conversation": conversation, "cid": cid, "type": "text", "body": {"text": "hear"}}
        sent = await socket.ask("message.send", data if mentions is None else {**data, "mentions": mentions})
        assert sent["op"] == "reply", sent
        (at_bob,) = (await call(bob, "conversation.list")).data["conversations"]
        (at_carol,) = (await call(carol, "conversation.list")).data["conversations"]
        assert at_bob["mentioned"]
        assert at_carol["mentioned"] == (cid != "m1")
    assert at_bob["unread"] == 3
    assert (await call(bob, "message.read", conversation=conversation, seq=3)).data == {"read_seq": 3}
    (at_bob,) = (await call(bob, "conversation.list")).data["conversations"]
    assert (at_bob["mentioned"], at_bob["unread"]) == (False, 1)


async def test_reading_never_goes_back_nor_beyond_the_newest(
    new_user: NewUser, new_socket: NewSocket, call: Call
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    await fill(await new_socket(alice), conversation, ["1", "2", "3"])
    assert (await call(bob, "message.read", conversation=conversation, seq=2)).data == {"read_seq": 2}
    assert (await call(bob, "message.read", conversation=conversation, seq=1)).data == {"read_seq": 2}
    beyond = await call(bob, "message.read", conversation=conversation, seq=4)
    assert (beyond.status, beyond.code) == (400, "bad_field")
    assert (await call(bob, "sync", cursors={conversation: 3})).data["conversations"][0]["unread"] == 1


async def test_receipts_go_to_the_peer_and_to_ones_own_other_terminals(
    new_user: NewUser, new_client: NewClient, new_socket: NewSocket
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    at_alice, bobs_phone = await new_client(alice, 0), await new_client(bob, 1)
    bobs_pc = await new_socket(bob, 0, terminal="pc")
    await at_alice.say(conversation, "read this")
    await bobs_phone.texts(conversation, "read this")
    assert (await bobs_pc.ask("message.read", {"conversation": conversation, "seq": 1}))["data"] == {"read_seq": 1}
    receipt = {"op": "receipt", "data": {"conversation": conversation, "user": bob.id, "read_seq": 1}}
    assert await at_alice.push("receipt") == receipt
    assert await bobs_phone.push("receipt") == receipt
    await bobs_pc.ask("user.get", {"ids": [bob.id]})
    assert [frame["op"] for frame in bobs_pc.others] == ["message"]


async def test_no_receipt_goes_to_a_group(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    at_alice, at_bob = await new_client(alice, 0), await new_client(bob, 1)
    bobs_phone = await new_client(bob, 0, terminal="app")
    made = await at_alice.call("group.create", {"name": "geese", "members": [bob.id]})
    conversation = f"g:{made['group']['id']}"
    await at_alice.say(conversation, "read this")
    await at_bob.texts(conversation, "read this")
    await at_bob.call("message.read", {"conversation": conversation, "seq": 2})
    assert (await bobs_phone.push("receipt"))["data"]["user"] == bob.id
    await at_bob.say(conversation, "I have")
    await at_alice.texts(conversation, "read this", "I have")
    assert at_alice.seen.pushes == []


async def test_who_left_sees_how_it_ended_and_that_it_is_gone(
    new_user: NewUser, new_socket: NewSocket, call: Call
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    group = (await call(alice, "group.create", name="geese", members=[bob.id])).data["group"]["id"]
    conversation = f"g:{group}"
    socket = await new_socket(alice)
    await fill(socket, conversation, ["two"])
    assert (await call(bob, "group.leave", group=group)).data == {}
    await fill(socket, conversation, ["two", "four", "five"])
    synced = (await call(bob, "sync", cursors={conversation: 1})).data
    assert synced["gone"] == [conversation]
    assert seqs(synced["messages"]) == [2, 3]
    assert synced["messages"][-1]["body"]["event"] == "left"
    assert (await call(bob, "sync", cursors={})).data["conversations"] == []
    assert (await call(bob, "conversation.list")).data["conversations"] == []
    # Back again: what was said meanwhile is not to be had, and the client is told from where on.
    assert (await call(alice, "group.invite", group=group, users=[bob.id])).data == {}
    back = (await call(bob, "sync", cursors={conversation: 3})).data
    assert (back["conversations"][0]["from"], seqs(back["messages"]), back["gone"]) == (6, [6], [])
    assert seqs((await call(bob, "message.history", conversation=conversation)).data["messages"]) == [6]


async def test_sync_since_the_last_one_looks_at_what_was_active_since(new_user: NewUser, call: Call) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    with_bob, with_carol = private_conversation(alice.id, bob.id), private_conversation(alice.id, carol.id)
    said = {"type": "text", "body": {"text": "hello"}}
    await call(bob, "message.send", conversation=with_bob, cid="b1", **said)
    first = (await call(alice, "sync", cursors={})).data
    assert seqs(first["messages"]) == [1] and isinstance(first["time"], int)
    in_step = {"cursors": {with_bob: 1}, "since": first["time"], "epoch": first["epoch"]}
    again = (await call(alice, "sync", **in_step)).data
    assert again["messages"] == again["more"] == again["gone"] == [] and "next" not in again
    await call(carol, "message.send", conversation=with_carol, cid="c1", **said)
    later = (await call(alice, "sync", **in_step)).data
    assert [(m["conversation"], m["seq"]) for m in later["messages"]] == [(with_carol, 1)]
    restored = (await call(alice, "sync", **{**in_step, "since": 2**53, "epoch": "of another store"})).data
    assert {m["conversation"] for m in restored["messages"]} == {with_bob, with_carol}
    for since in (-1, 1.5, "1", True):
        assert (await call(alice, "sync", cursors={}, since=since)).code == "bad_field"
    assert (await call(alice, "sync", cursors={}, since=None)).status == 200


async def test_who_is_removed_while_it_reads_gets_nothing_that_was_said_after(new_user: NewUser, call: Call) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    group = (await call(alice, "group.create", name="geese", members=[bob.id])).data["group"]["id"]
    conversation = f"g:{group}"
    is_over = asyncio.Event()

    async def read() -> list[Answer]:
        answers = []
        while not is_over.is_set():
            answers.append(await call(bob, "message.history", conversation=conversation, limit=3))
        return answers

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for round_ in range(3):
        await call(alice, "group.remove", group=group, users=[bob.id])
        said = {"conversation": conversation, "cid": f"s{round_}", "type": "text", "body": {"text": "a secret"}}
        assert (await call(alice, "message.send", **said)).status == 200
        await call(alice, "group.invite", group=group, users=[bob.id])
    is_over.set()
    answers = [answer for some in await asyncio.gather(*readers) for answer in some]
    assert answers and {answer.status for answer in answers} <= {200, 404, 429}
    assert not any(b"secret" in answer.body for answer in answers)


async def test_a_reply_names_a_message_that_is_there(new_user: NewUser, new_socket: NewSocket) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    socket, at_bob = await new_socket(alice, 0), await new_socket(bob, 1)
    data = {"conversation": conversation, "cid": "r1", "type": "text", "body": {"text": "first"}}
    assert (await socket.ask("message.send", {**data, "reply_to": 1}))["data"]["code"] == "bad_field"
    await socket.ask("message.send", data)
    await socket.ask("message.send", {**data, "cid": "r2", "reply_to": 1})
    assert "reply_to" not in (await at_bob.read())["data"]
    assert (await at_bob.read())["data"]["reply_to"] == 1


async def test_users_who_do_not_fit_into_one_answer_come_with_the_next(new_user: NewUser, call: Call) -> None:
    wide = {"name": "\U0001f426" * 64, "avatar": "\U0001f426" * 1024, "bio": "\U0001f426" * 1024}
    users = [new_user(f"u{number}") for number in range(14)]
    for user in users:
        assert (await call(user, "user.update", **wide)).status == 200
    ids = [user.id for user in users]
    first = await call(users[0], "user.get", ids=ids)
    assert len(first.body) < MAX_SERVER_FRAME_BYTES
    some = [user["id"] for user in first.data["users"]]
    assert (some, first.data["next"]) == (ids[: len(some)], some[-1])
    rest = (await call(users[0], "user.get", ids=ids, after=first.data["next"])).data
    assert [user["id"] for user in rest["users"]] == ids[len(some) :]
    assert "next" not in rest
