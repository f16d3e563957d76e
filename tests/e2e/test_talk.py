"""People talk: one to one over different gateways, in groups, and catch up after they were away."""

from __future__ import annotations

import asyncio

from protocol.ids import private_conversation
from tests.e2e.conftest import NewClient, NewSocket, NewUser


async def test_two_users_on_different_gateways_talk_both_ways(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    at_alice, at_bob = await new_client(alice, 0), await new_client(bob, 1)
    first = await at_alice.say(conversation, "hello 鸿雁 🪿")
    await at_bob.texts(conversation, "hello 鸿雁 🪿")
    second = await at_bob.say(conversation, "hello yourself")
    await at_alice.texts(conversation, "hello 鸿雁 🪿", "hello yourself")
    assert (first["seq"], second["seq"]) == (1, 2)
    assert first["time"] <= second["time"]
    message = at_bob.seen.timelines[conversation][0]
    assert (message["sender"], message["type"], message["time"]) == (alice.id, "text", first["time"])
    assert not first["duplicate"]


async def test_a_sender_has_it_on_other_devices_but_not_pushed_to_the_one_that_sent(
    new_user: NewUser, new_socket: NewSocket, new_client: NewClient
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    phone = await new_client(alice, 1)
    pc = await new_socket(alice, 0, terminal="pc")
    data = {"conversation": conversation, "cid": "c1", "type": "text", "body": {"text": "from the pc"}}
    assert (await pc.ask("message.send", data))["op"] == "reply"
    await phone.texts(conversation, "from the pc")
    await phone.say(conversation, "from the phone")
    pushed = await pc.read()
    assert (pushed["op"], pushed["data"]["body"]) == ("message", {"text": "from the phone"})
    assert pc.others == []


async def test_notes_to_oneself(new_user: NewUser, new_client: NewClient) -> None:
    alice = new_user("alice")
    conversation = private_conversation(alice.id, alice.id)
    one, other = await new_client(alice, 0), await new_client(alice, 1, terminal="pc")
    await one.say(conversation, "buy bread")
    await other.texts(conversation, "buy bread")


async def test_pipelined_sends_keep_their_order(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    at_alice, at_bob = await new_client(alice, 0), await new_client(bob, 1)
    texts = [f"line {number}" for number in range(300)]
    replies = await asyncio.gather(*(at_alice.say(conversation, text) for text in texts))
    assert [reply["seq"] for reply in replies] == list(range(1, 301))
    await at_bob.texts(conversation, *texts)


async def test_a_group_of_three_with_one_offline_who_later_has_everything(
    new_user: NewUser, new_client: NewClient
) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    at_alice, at_bob = await new_client(alice, 0), await new_client(bob, 1)
    made = await at_alice.call("group.create", {"name": "geese", "members": [bob.id, carol.id]})
    conversation = f"g:{made['group']['id']}"
    await at_bob.until(lambda: at_bob.seqs(conversation) == [1])
    lines = [f"{who} {number}" for number in range(30) for who in ("alice", "bob")]
    for line in lines:
        await (at_alice if line.startswith("alice") else at_bob).say(conversation, line)
    await at_alice.texts(conversation, *lines)
    await at_bob.texts(conversation, *lines)
    at_carol = await new_client(carol, 0)
    await at_carol.texts(conversation, *lines)
    assert at_carol.seqs(conversation) == list(range(1, 62))
    await at_carol.say(conversation, "here I am")
    await at_alice.texts(conversation, *lines, "here I am")
    await at_bob.texts(conversation, *lines, "here I am")


async def test_who_is_invited_while_connected_gets_what_follows(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    at_alice, at_carol = await new_client(alice, 0), await new_client(carol, 1)
    made = await at_alice.call("group.create", {"name": "geese", "members": [bob.id]})
    group, conversation = made["group"]["id"], f"g:{made['group']['id']}"
    await at_alice.say(conversation, "before carol")
    await at_alice.call("group.invite", {"group": group, "users": [carol.id]})
    await at_alice.say(conversation, "welcome")
    await at_carol.texts(conversation, "welcome")
    assert at_carol.seqs(conversation) == [3, 4]
    assert at_carol.seen.timelines[conversation][0]["body"]["event"] == "joined"


async def test_who_is_removed_gets_the_notice_and_nothing_after(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    at_alice, at_carol = await new_client(alice, 0), await new_client(carol, 1)
    made = await at_alice.call("group.create", {"name": "geese", "members": [bob.id, carol.id]})
    group, conversation = made["group"]["id"], f"g:{made['group']['id']}"
    await at_alice.say(conversation, "hello all")
    await at_carol.texts(conversation, "hello all")
    await at_alice.call("group.remove", {"group": group, "users": [carol.id]})
    await at_alice.say(conversation, "without carol")
    private = private_conversation(alice.id, carol.id)
    await at_alice.say(private, "sorry")
    await at_carol.texts(private, "sorry")
    assert at_carol.seqs(conversation) == [1, 2, 3]
    assert at_carol.seen.timelines[conversation][-1]["body"] == {
        "event": "removed",
        "group": group,
        "users": [carol.id],
        "by": alice.id,
    }
    again = await new_client(carol, 0)
    assert conversation not in again.seen.timelines


async def test_a_device_that_was_away_syncs_what_it_missed(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    at_alice, at_bob = await new_client(alice, 0), await new_client(bob, 1)
    await at_alice.say(conversation, "one")
    await at_bob.texts(conversation, "one")
    await at_bob.stop()
    texts = [f"missed {number}" for number in range(700)]
    await asyncio.gather(*(at_alice.say(conversation, text) for text in texts))
    at_bob.start()
    await at_bob.in_step()
    await at_bob.texts(conversation, "one", *texts)
