"""A message is taken back: who is there sees it go, who comes later never sees what it said."""

from __future__ import annotations

from protocol.ids import private_conversation
from tests.e2e.conftest import NewClient, NewUser


async def test_a_recalled_message_is_gone_for_everybody(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    at_alice, at_bob = await new_client(alice, 0), await new_client(bob, 1)
    await at_alice.say(conversation, "the wrong window")
    await at_bob.texts(conversation, "the wrong window")
    assert await at_alice.call("message.recall", {"conversation": conversation, "seq": 1}) == {"seq": 2}
    await at_bob.until(lambda: at_bob.seqs(conversation) == [1, 2])
    event = at_bob.seen.timelines[conversation][1]
    assert (event["type"], event["body"]) == ("recall", {"seq": 1})

    later = await new_client(bob, 0, terminal="pc")
    await later.until(lambda: later.seqs(conversation) == [1, 2])
    message = later.seen.timelines[conversation][0]
    assert (message["body"], message["recalled"], message["changed"]) == ({}, True, 2)
    history = await at_alice.call("message.history", {"conversation": conversation})
    assert history["messages"][0]["body"] == {}


async def test_what_is_recalled_while_its_reader_is_away_is_never_read(
    new_user: NewUser, new_client: NewClient
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    at_alice = await new_client(alice, 0)
    made = await at_alice.call("group.create", {"name": "geese", "members": [bob.id]})
    conversation = f"g:{made['group']['id']}"
    sent = await at_alice.say(conversation, "the wrong group")
    await at_alice.call("message.recall", {"conversation": conversation, "seq": sent["seq"]})
    at_bob = await new_client(bob, 1)
    await at_bob.until(lambda: at_bob.seqs(conversation) == [1, 2, 3])
    assert [message["body"] for message in at_bob.seen.timelines[conversation][1:]] == [{}, {"seq": 2}]
