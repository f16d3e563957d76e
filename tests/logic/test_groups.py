"""group.create, invite, leave, remove and what members may know."""

from __future__ import annotations

import pytest

from logic.caches import Caches
from logic.outcome import Outcome
from logic.rules import Rules
from logic.workers.batch import BatchRunner
from protocol.models import Membership, Push
from tests.logic.road import PARTITIONS, Road, code, joined, pushed, reply, send, work


@pytest.fixture(autouse=True)
def people(road: Road) -> None:
    road.people("ann", "bob", "cat", "dan")


def _members(road: Road, group: str, asker: str = "ann") -> dict[str, str]:
    return {m["user"]: m["role"] for m in reply(road.call("group.members", asker, group=group))["members"]}


def test_a_new_group_has_its_creator_as_owner_and_a_notice(road: Road) -> None:
    outcome = road.do(
        "group.create", "ann", name="团队", members=["bob", "ann", "bob"], avatar="http://a/b.png", join="open"
    )
    group = reply(outcome)["group"]
    assert (group["name"], group["owner"], group["members"], group["join"]) == ("团队", "ann", 2, "open")
    assert reply(road.call("group.get", "bob", group=group["id"]))["group"] == group
    assert _members(road, group["id"]) == {"ann": "owner", "bob": "member"}
    assert isinstance(outcome, Outcome)
    welcome, push, delta = outcome.effects
    assert delta == Membership(group["id"], 1, joined=["ann", "bob"])
    assert isinstance(push, Push) and (push.group, push.seq) == (group["id"], 1)
    assert isinstance(welcome, Push) and welcome.users == ["ann", "bob"]
    assert pushed(push) == pushed(welcome) and pushed(push)["data"]["type"] == "notice"


def test_a_group_created_again_under_its_cid_is_the_same_and_answered_the_same(road: Road) -> None:
    data = {"name": "x", "members": ["bob"], "cid": "c"}
    first, twin = road.run(work("group.create", "ann", data), work("group.create", "ann", data))
    group = reply(first)["group"]["id"]
    assert reply(twin) == reply(first)
    road.do("group.invite", "ann", group=group, users=["cat"])
    (again,) = road.another_owner().run([work("group.create", "ann", data)])
    assert reply(again) == reply(first)
    assert [g["id"] for g in reply(road.call("group.list", "ann"))["groups"]] == [group]
    assert code(road.do("group.create", "ann", **{**data, "name": "y"})) == "conflict"
    assert reply(road.do("group.create", "bob", **data))["group"]["id"] != group


def test_a_group_of_people_who_do_not_exist_is_not_made(road: Road) -> None:
    assert code(road.do("group.create", "ann", name="x", members=["nobody"], cid="c")) == "not_found"
    assert reply(road.call("group.list", "ann"))["groups"] == []
    assert code(road.do("group.create", "ann", name="x", members=["bob"], cid="c")) == "ok"


def test_who_may_invite(road: Road) -> None:
    closed, open_ = road.group("ann", "bob"), road.group("ann", "bob", join="open")
    assert code(road.do("group.invite", "bob", group=closed, users=["cat"])) == "forbidden"
    assert code(road.do("group.invite", "bob", group=open_, users=["cat"])) == "ok"
    assert code(road.do("group.invite", "ann", group=closed, users=["cat", "nobody"])) == "not_found"
    assert code(road.do("group.invite", "cat", group=closed, users=["cat"])) == "not_found"
    assert "cat" not in _members(road, closed)
    outcome = road.do("group.invite", "ann", group=closed, users=["cat", "bob", "cat"])
    assert joined(outcome) == [Membership(closed, 2, joined=["cat"])]
    assert reply(road.call("group.get", "cat", group=closed))["group"]["members"] == 3


def test_inviting_only_members_changes_nothing(road: Road) -> None:
    group = road.group("ann", "bob")
    outcome = road.do("group.invite", "ann", group=group, users=["bob", "ann"])
    assert code(outcome) == "ok" and joined(outcome) == []
    assert reply(road.call("message.history", "ann", conversation=f"g:{group}"))["max_seq"] == 1


def test_who_left_sees_nothing_more_and_may_come_back(road: Road) -> None:
    group = road.group("ann", "bob", "cat")
    outcome = road.do("group.leave", "bob", group=group)
    assert isinstance(outcome, Outcome)
    push, delta = outcome.effects  # the notice of it first: the one who leaves still gets that
    assert isinstance(push, Push) and delta == Membership(group, 2, left=["bob"])
    assert _members(road, group) == {"ann": "owner", "cat": "member"}
    for op in ("group.get", "group.members"):
        assert code(road.call(op, "bob", group=group)) == "not_found"
    assert code(road.do("group.leave", "bob", group=group)) == "not_found"
    assert code(road.call("message.history", "bob", conversation=f"g:{group}")) == "not_found"
    assert (
        code(road.do("message.send", "bob", conversation=f"g:{group}", type="text", body={"text": "x"})) == "not_found"
    )
    road.write("ann", f"g:{group}", 2)
    road.do("group.invite", "ann", group=group, users=["bob"])
    history = reply(road.call("message.history", "bob", conversation=f"g:{group}"))
    assert [message["seq"] for message in history["messages"]] == [5]


def test_an_owner_stays(road: Road) -> None:
    group = road.group("ann", "bob")
    assert code(road.do("group.leave", "ann", group=group)) == "forbidden"


def test_who_may_remove_whom(road: Road) -> None:
    group = road.group("ann", "bob", "cat", "dan")
    with road.database.transaction() as tx:
        tx.execute("UPDATE members SET role = 'admin' WHERE user IN ('bob', 'cat')")

    def remove(who: str, *users: str) -> str:
        return code(road.do("group.remove", who, group=group, users=list(users)))

    assert remove("dan", "cat") == "forbidden"
    assert remove("bob", "ann") == remove("bob", "cat") == remove("bob", "dan", "cat") == "forbidden"
    assert remove("bob", "nobody") == remove("bob", "dan", "nobody") == "not_found"
    assert remove("ann", "ann") == "forbidden"
    assert remove("bob", "dan") == remove("ann", "cat") == "ok"
    assert set(_members(road, group)) == {"ann", "bob"}
    assert remove("dan", "bob") == "not_found"


def test_a_retried_change_changes_nothing_again(road: Road) -> None:
    group = road.group("ann", "bob", "cat")
    first = road.do("group.remove", "ann", group=group, users=["bob"], cid="c")
    again = road.do("group.remove", "ann", group=group, users=["bob"], cid="c")
    assert isinstance(first, Outcome) and isinstance(again, Outcome)
    assert again.reply == first.reply and again.effects == first.effects
    assert code(road.do("group.remove", "ann", group=group, users=["cat"], cid="c")) == "conflict"
    assert reply(road.call("group.get", "ann", group=group))["group"]["members"] == 2


def test_a_retried_invitation_does_not_bring_back_who_left(road: Road) -> None:
    """Its notice is found again; a gateway that has forgotten the leave must not be told of the join."""
    group = road.group("ann", "cat")
    invite = {"group": group, "users": ["bob", "dan"], "cid": "c"}
    assert joined(road.do("group.invite", "ann", **invite)) == [Membership(group, 2, joined=["bob", "dan"])]
    road.do("group.remove", "ann", group=group, users=["bob"])
    assert joined(road.do("group.invite", "ann", **invite)) == [Membership(group, 2, joined=["dan"])]
    road.do("group.remove", "ann", group=group, users=["dan"])
    road.do("group.invite", "ann", group=group, users=["dan"])
    assert joined(road.do("group.invite", "ann", **invite)) == [Membership(group, 2)]
    assert "bob" not in _members(road, group)


def test_a_retried_invitation_of_members_does_not_bring_back_who_left(road: Road) -> None:
    """It changed nothing and left no notice; a late retry, at any owner, still changes nothing."""
    group = road.group("ann", "bob")
    invite = {"group": group, "users": ["bob", "ann"], "cid": "c"}
    first = road.do("group.invite", "ann", **invite)
    road.do("group.leave", "bob", group=group)
    for owner in (road.runner, road.another_owner()):
        (again,) = owner.run([work("group.invite", "ann", invite)])
        assert again == first
    assert set(_members(road, group)) == {"ann"}
    assert code(road.do("group.invite", "ann", group=group, users=["bob"], cid="c")) == "conflict"
    assert code(road.do("group.remove", "ann", group=group, users=["bob"], cid="c")) == "conflict"
    assert joined(road.do("group.invite", "ann", group=group, users=["bob"])) == [Membership(group, 3, joined=["bob"])]


def test_an_invitation_of_members_twice_in_one_batch_is_answered_twice(road: Road) -> None:
    group = road.group("ann", "bob")
    invite = {"group": group, "users": ["bob"], "cid": "c"}
    first, twin = road.run(work("group.invite", "ann", invite), work("group.invite", "ann", invite))
    assert code(first) == "ok" and twin == first


def test_not_a_member_and_no_such_group_are_the_same_bytes_for_every_op(road: Road) -> None:
    group = road.group("bob", "cat")
    for op, data in [
        ("group.invite", {"users": ["dan"]}),
        ("group.remove", {"users": ["cat"]}),
        ("group.leave", {}),
        ("group.get", {}),
        ("group.members", {}),
    ]:
        carry_out = road.do if op in ("group.invite", "group.remove", "group.leave") else road.call
        foreign, missing = (carry_out(op, "ann", group=g, **data) for g in (group, "nowhere"))
        assert isinstance(foreign, Outcome) and isinstance(missing, Outcome)
        assert code(foreign) == "not_found"
        assert bytes(foreign.answer(1).data) == bytes(missing.answer(1).data)


def test_lists_are_paged(road: Road) -> None:
    names = [f"u{number}" for number in range(5)]
    groups = sorted(road.group("ann", *names) for _ in range(3))
    page = reply(road.call("group.members", "ann", group=groups[0], limit=4))
    rest = reply(road.call("group.members", "ann", group=groups[0], limit=4, after=page["next"]))
    assert [m["user"] for m in page["members"] + rest["members"]] == ["ann", *names]
    assert "next" not in rest
    listed = reply(road.call("group.list", "ann", limit=2))
    more = reply(road.call("group.list", "ann", limit=2, after=listed["next"]))
    assert [g["id"] for g in listed["groups"] + more["groups"]] == groups


@pytest.mark.parametrize("after", ["日本", "\u0080", "' OR 1=1 --", "\\"])
def test_a_made_up_place_in_a_list_is_no_fault_of_ours(road: Road, after: str) -> None:
    group = road.group("ann", "bob")
    for op, data in [
        ("group.members", {"group": group}),
        ("group.list", {}),
        ("conversation.list", {}),
        ("sync", {"cursors": {}}),
        ("sync", {"cursors": {after * 3: 1}, "only": True}),
        ("user.get", {"ids": [after]}),
    ]:
        assert code(road.call(op, "ann", **data, **({} if "ids" in data or "only" in data else {"after": after}))) in (
            "ok",
            "bad_field",
        )


def test_a_send_decided_on_old_knowledge_of_members_is_refused_by_the_key(road: Road) -> None:
    """Two owners at once: the one that has not heard of the removal fails on (conversation, seq) and looks again."""
    group = road.group("ann", "bob")
    late = road.another_owner()
    assert code(late.run([send("bob", f"g:{group}")])[0]) == "ok"
    road.caches.clear()
    road.do("group.remove", "ann", group=group, users=["bob"])
    assert code(late.run([send("bob", f"g:{group}")])[0]) == "not_found"


def test_a_stale_owner_cannot_accept_a_removed_members_send_on_a_fresh_tail(road: Road) -> None:
    """It has forgotten where the conversation ends, for lack of room, and reads that anew: what it knew of the members
    must be forgotten with it, for a fresh tail passes the key."""
    group = road.group("ann", "bob")
    conversation = f"g:{group}"
    late_caches = Caches(PARTITIONS)
    late = BatchRunner(road.database, late_caches, Rules(), lambda: None)
    assert code(late.run([send("bob", conversation)])[0]) == "ok"
    road.caches.clear()
    road.do("group.remove", "ann", group=group, users=["bob"])
    known = late_caches.of(conversation).conversations
    while conversation in known:
        known.popitem()  # what a full cache does
    assert code(late.run([send("bob", conversation)])[0]) == "not_found"
    assert code(late.run([send("ann", conversation)])[0]) == "ok"
    assert code(late.run([send("bob", conversation)])[0]) == "not_found"


def test_who_is_removed_and_sends_in_one_batch_is_refused_and_may_send_when_back(road: Road) -> None:
    group = road.group("ann", "bob")
    conversation = f"g:{group}"
    results = road.run(
        send("bob", conversation),
        work("group.remove", "ann", {"group": group, "users": ["bob"]}),
        send("bob", conversation),
        work("group.invite", "ann", {"group": group, "users": ["bob"]}),
        send("bob", conversation),
    )
    assert [code(result) for result in results] == ["ok", "ok", "not_found", "ok", "ok"]


def test_a_user_is_in_a_bounded_number_of_groups_and_what_it_left_does_not_count(road: Road) -> None:
    road.runner = BatchRunner(road.database, road.caches, Rules(max_groups=3), lambda: None)
    in_groups = [road.group("ann", "bob") for _ in range(3)]
    for op, sender, data in (
        ("group.create", "bob", {"name": "x", "members": []}),
        ("group.create", "cat", {"name": "x", "members": ["dan", "bob"]}),
    ):
        outcome = road.do(op, sender, **data)
        assert code(outcome) == "too_large"
        assert isinstance(outcome, Outcome) and "bob is in 3 groups" in str(outcome.reply)
    other = road.group("cat", "dan")
    assert code(road.do("group.invite", "cat", group=other, users=["bob"])) == "too_large"
    assert _members(road, other, "cat") == {"cat": "owner", "dan": "member"}
    assert code(road.do("group.leave", "bob", group=in_groups[0])) == "ok"
    assert code(road.do("group.invite", "cat", group=other, users=["bob"])) == "ok"
    assert code(road.do("group.invite", "ann", group=in_groups[0], users=["bob"])) == "too_large"
