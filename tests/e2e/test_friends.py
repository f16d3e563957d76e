"""A friend request reaches the person who is asked, there or away."""

from __future__ import annotations

from tests.e2e.conftest import NewClient, NewUser


async def test_who_is_asked_hears_of_it_there_or_later(new_user: NewUser, new_client: NewClient) -> None:
    alice, bob, carol = new_user("alice"), new_user("bob"), new_user("carol")
    at_alice, at_bob = await new_client(alice, 0), await new_client(bob, 1)
    for friend in (bob, carol):
        assert await at_alice.call("friend.request", {"user": friend.id, "text": "we met in Kunming"}) == {}
    await at_bob.until(lambda: at_bob.seqs(f"s:{bob.id}") == [1])
    at_carol = await new_client(carol, 0)
    await at_carol.until(lambda: at_carol.seqs(f"s:{carol.id}") == [1])
    for client, user in ((at_bob, bob), (at_carol, carol)):
        (notice,) = client.seen.timelines[f"s:{user.id}"]
        assert notice["body"] == {"event": "friend_request", "user": alice.id, "text": "we met in Kunming"}
        assert (notice["sender"], notice["type"]) == ("_system", "notice")
