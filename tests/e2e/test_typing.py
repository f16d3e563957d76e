"""Somebody is writing: the others see it while they are there, and never afterwards."""

from __future__ import annotations

from protocol.ids import private_conversation
from tests.deployments import Deployment
from tests.e2e.conftest import NewClient, NewSocket, NewUser
from tests.http_calls import api


async def test_the_other_sees_who_is_writing(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    at_alice, at_bob = await new_client(alice, 0), await new_client(bob, 1)
    assert await at_alice.call("typing", {"conversation": conversation}) == {}
    assert (await at_bob.push("typing"))["data"] == {"conversation": conversation, "user": alice.id}
    later = await new_client(bob, 0, terminal="pc")
    await at_alice.say(conversation, "hello")
    await later.texts(conversation, "hello")
    assert [frame["op"] for frame in later.seen.pushes if frame["op"] == "typing"] == []


async def test_it_is_seen_once_a_second_at_most(new_user: NewUser, new_socket: NewSocket) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    data = {"conversation": private_conversation(alice.id, bob.id)}
    socket = await new_socket(alice)
    answers = [await socket.ask("typing", data) for _ in range(3)]
    codes = [answer["data"].get("code", "ok") for answer in answers]
    assert codes[0] == "ok" and "rate_limited" in codes
    assert all(answer["data"]["retry_after"] == 1 for answer in answers if answer["op"] == "error")


async def test_a_call_without_a_connection_does_not_type(deployment: Deployment, new_user: NewUser) -> None:
    alice = new_user("alice")
    answer = await api(deployment.ports[0], "typing", {"conversation": f"p:{alice.id}:{alice.id}"}, alice.token)
    assert (answer.status, answer.code) == (400, "bad_field")
