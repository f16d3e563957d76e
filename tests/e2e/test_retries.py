"""The same write again: one effect, the same answer, whatever the connection and across restarts."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hongyan.doors import DOORS

from protocol.ids import private_conversation
from tests.client import Client, Socket
from tests.deployments import Deployment
from tests.e2e.conftest import NewClient, NewSocket, NewUser
from tests.http_calls import api


def text(conversation: str, cid: str, said: str = "once") -> dict[str, Any]:
    return {"conversation": conversation, "cid": cid, "type": "text", "body": {"text": said}}


async def test_one_cid_a_hundred_times_at_once(new_user: NewUser, new_socket: NewSocket) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    sockets = [await new_socket(alice, 0), await new_socket(alice, 1, terminal="pc")]
    send = text(conversation, "the-one")
    for number in range(100):
        await sockets[number % 2].write_frame("message.send", send, id=str(number))
    answers = [await sockets[number % 2].answer(str(number)) for number in range(100)]
    assert {answer["op"] for answer in answers} == {"reply"}
    assert len({(a["data"]["conversation"], a["data"]["seq"], a["data"]["time"]) for a in answers}) == 1
    assert sum(not answer["data"]["duplicate"] for answer in answers) == 1
    refused = await sockets[0].ask("message.send", text(conversation, "the-one", "something else"))
    assert (refused["op"], refused["data"]["code"], refused["data"]["retry"]) == ("error", "conflict", False)
    history = await sockets[0].ask("message.history", {"conversation": conversation})
    assert [(m["seq"], m["body"]["text"]) for m in history["data"]["messages"]] == [(1, "once")]


class Pair:
    """Two people who come in by one door, and what they say to each other."""

    def __init__(self, deployment: Deployment, door: str, new_user: NewUser) -> None:
        self.door, self.alice, bob = door, new_user("alice"), new_user("bob")
        urls = deployment.urls(door)
        self.conversation = private_conversation(self.alice.id, bob.id)
        self.at_alice = Client(urls, self.alice.id, self.alice.token)
        self.at_bob = Client(urls[::-1], bob.id, bob.token)

    def __repr__(self) -> str:
        return f"Pair({self.door}, {self.at_alice}, {self.at_bob})"

    def is_over(self) -> bool:
        """Whether the last word has reached Bob."""
        return "after" in self.at_bob.spoken(self.conversation)


@pytest.mark.timeout(180)
@pytest.mark.slow
async def test_a_restart_loses_and_doubles_nothing_at_any_door(deployment: Deployment, new_user: NewUser) -> None:
    """One restart for all doors, because it takes its time."""
    pairs = [Pair(deployment, door, new_user) for door in DOORS]
    async with AsyncExitStack() as stack:
        answered: dict[Pair, dict[str, Any]] = {}
        for pair in pairs:
            for client in (pair.at_alice, pair.at_bob):
                await stack.enter_async_context(client)
            answered[pair] = await pair.at_alice.say(pair.conversation, "once", cid="the-one")
            await pair.at_bob.texts(pair.conversation, "once")
        restarting = asyncio.create_task(asyncio.to_thread(deployment.restart))
        during = [f"during {number}" for number in range(20)]
        sends = [pair.at_alice.say(pair.conversation, said) for said in during for pair in pairs]
        await asyncio.gather(*sends, restarting)
        for pair in pairs:
            await pair.at_alice.say(pair.conversation, "after")
            await pair.at_bob.until(pair.is_over, within_s=30)
            assert pair.at_bob.seqs(pair.conversation) == list(range(1, 23)), pair
            assert sorted(pair.at_bob.spoken(pair.conversation)[1:-1]) == sorted(during), pair
    for pair in pairs:
        async with await Socket.logged_in(deployment.url(pair.door), pair.alice.token) as again:
            retried = await again.ask("message.send", text(pair.conversation, "the-one"))
            assert retried["data"] == {**answered[pair], "duplicate": True}, pair
            refused = await again.ask("message.send", text(pair.conversation, "the-one", "something else"))
            assert (refused["op"], refused["data"]["code"]) == ("error", "conflict"), pair


async def test_a_cid_in_another_conversation_is_a_conflict(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    socket = await new_client(alice)
    await socket.call("message.send", text(private_conversation(alice.id, bob.id), "c1"))
    with pytest.raises(Exception, match="conflict"):
        await socket.call("message.send", text(private_conversation(alice.id, carol.id), "c1"))


async def test_two_users_may_use_the_same_cid(new_user: NewUser, new_socket: NewSocket) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    seqs = []
    for user in (alice, bob):
        socket = await new_socket(user)
        seqs.append((await socket.ask("message.send", text(conversation, "same")))["data"]["seq"])
    assert seqs == [1, 2]


async def test_group_create_retried_and_twice_at_once_makes_one_group(
    deployment: Deployment, new_user: NewUser, new_socket: NewSocket
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    sockets = [await new_socket(alice, 0), await new_socket(alice, 1, terminal="pc")]
    create = {"name": "geese", "members": [bob.id], "cid": "make-it"}
    for number in range(20):
        await sockets[number % 2].write_frame("group.create", create, id=str(number))
    answers = [(await sockets[number % 2].answer(str(number)))["data"] for number in range(20)]
    assert all(answer == answers[0] for answer in answers)
    listed = await api(deployment.ports[0], "group.list", {}, alice.token)
    assert [group["id"] for group in listed.data["groups"]] == [answers[0]["group"]["id"]]
    conversation = f"g:{answers[0]['group']['id']}"
    history = await api(deployment.ports[0], "message.history", {"conversation": conversation}, bob.token)
    assert [message["body"]["event"] for message in history.data["messages"]] == ["created"]
    other = await api(deployment.ports[0], "group.create", {**create, "name": "swans"}, alice.token)
    assert (other.status, other.code) == (409, "conflict")


async def test_membership_changes_retried_leave_one_notice(
    deployment: Deployment, new_user: NewUser, new_socket: NewSocket
) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    socket = await new_socket(alice)
    created = await socket.ask("group.create", {"name": "geese", "members": [bob.id]})
    group = created["data"]["group"]["id"]
    for op, data in (
        ("group.invite", {"group": group, "users": [carol.id], "cid": "in"}),
        ("group.remove", {"group": group, "users": [carol.id], "cid": "out"}),
        ("group.invite", {"group": group, "users": [carol.id], "cid": "in"}),
    ):
        answers = [await socket.ask(op, data), await socket.ask(op, data)]
        assert [(answer["op"], answer["data"]) for answer in answers] == [("reply", {})] * 2
    answer = await socket.ask("message.history", {"conversation": f"g:{group}"})
    assert [m["body"]["event"] for m in answer["data"]["messages"]] == ["created", "joined", "removed"]
    members = await api(deployment.ports[0], "group.members", {"group": group}, alice.token)
    assert [member["user"] for member in members.data["members"]] == sorted([alice.id, bob.id])


async def test_a_cid_of_the_gateways_own_is_refused(new_user: NewUser, new_socket: NewSocket) -> None:
    alice = new_user("alice")
    socket = await new_socket(alice)
    answer = await socket.ask("user.update", {"name": "x", "cid": "~mine"})
    assert (answer["op"], answer["data"]["code"], answer["data"]["field"]) == ("error", "bad_field", "cid")


async def test_user_update_retried_changes_once(new_user: NewUser, new_socket: NewSocket) -> None:
    socket = await new_socket(new_user("alice"))
    first = await socket.ask("user.update", {"name": "Alice A", "cid": "u1"})
    await socket.ask("user.update", {"name": "Alice B", "cid": "u2"})
    assert (await socket.ask("user.update", {"name": "Alice A", "cid": "u1"}))["data"] == first["data"]
    conflict = await socket.ask("user.update", {"name": "Alice C", "cid": "u1"})
    assert conflict["data"]["code"] == "conflict"
    me = first["data"]["user"]["id"]
    assert (await socket.ask("user.get", {"ids": [me]}))["data"]["users"] == [{"id": me, "name": "Alice B"}]


async def test_a_cid_of_two_ops_at_once_is_good_for_one(new_user: NewUser, new_socket: NewSocket) -> None:
    """An owner and a pool have it at the same time, in both orders."""
    alice, bob = new_user("alice"), new_user("bob")
    socket = await new_socket(alice)
    for number in range(6):
        cid = f"both-{number}"
        ops = [
            ("message.send", text(private_conversation(alice.id, bob.id), cid)),
            ("user.update", {"name": cid, "cid": cid}),
        ]
        for op, data in ops if number % 2 else ops[::-1]:
            await socket.write_frame(op, data, id=f"{op}-{number}")
        answers = [await socket.answer(f"{op}-{number}") for op, _ in ops]
        assert sorted(answer["data"].get("code", "ok") for answer in answers) == ["conflict", "ok"]


async def test_who_was_removed_gets_the_first_answer_to_a_retry(new_user: NewUser, new_socket: NewSocket) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    owner, member = await new_socket(alice), await new_socket(bob)
    group = (await owner.ask("group.create", {"name": "geese", "members": [bob.id]}))["data"]["group"]["id"]
    sent = await member.ask("message.send", text(f"g:{group}", "in-time"))
    await owner.ask("group.remove", {"group": group, "users": [bob.id]})
    again = await member.ask("message.send", text(f"g:{group}", "in-time"))
    assert again["data"] == {**sent["data"], "duplicate": True}
    assert (await member.ask("message.send", text(f"g:{group}", "too-late")))["data"]["code"] == "not_found"
