"""What a message says arrives as it was written, by every door."""

from __future__ import annotations

from protocol.ids import private_conversation
from tests.deployments import Deployment
from tests.e2e.conftest import NewSocket, NewUser
from tests.http_calls import api

BODY = '{"x":[1e15,1.0,-0.0,0.1000000000000000055,9223372036854775807,1E+5]}'


async def test_numbers_arrive_as_they_were_written(
    deployment: Deployment, new_user: NewUser, new_socket: NewSocket
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    sender, reader = await new_socket(alice), await new_socket(bob)
    data = f'{{"conversation":"{conversation}","cid":"c1","type":"custom","body":{BODY}}}'
    await sender.write(f'{{"op":"message.send","id":"s1","data":{data}}}')
    assert (await sender.answer("s1"))["op"] == "reply"
    # Clients that poll get their frames out of an answer, which their library has parsed: what /api says is compared.
    assert (await reader.read())["data"]["body"] == {
        "x": [1e15, 1.0, -0.0, 0.1, 9223372036854775807, 100000.0],
    }
    read = await api(deployment.ports[0], "message.history", {"conversation": conversation}, bob.token)
    assert f'"body":{BODY}'.encode() in read.body
    again = await api(deployment.ports[0], "message.send", data.encode(), alice.token)
    assert again.data["duplicate"] is True


async def test_a_body_at_the_limit_of_nesting_can_be_read_and_sent_on(
    deployment: Deployment, new_user: NewUser, new_socket: NewSocket
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    sender, reader = await new_socket(alice), await new_socket(bob)
    body = {"a": [[[[{"b": [{"c": [{"d": {}}]}]}]]]]}
    data = {"conversation": conversation, "cid": "c1", "type": "custom", "body": body}
    assert (await sender.ask("message.send", data))["op"] == "reply"
    received = (await reader.read())["data"]
    assert (await reader.ask("message.send", {**data, "cid": "c2", "body": received["body"]}))["op"] == "reply"
    assert (await sender.read())["data"]["body"] == data["body"]
    too_deep = {**data, "cid": "c3", "body": {"more": data["body"]}}
    refused = await sender.ask("message.send", too_deep)
    assert (refused["data"]["code"], refused["data"]["field"]) == ("bad_field", "body")
