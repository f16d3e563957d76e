"""message.send through the store: seq without holes, retries, conflicts, who may write, who is pushed to."""

from __future__ import annotations

import pytest

from logic.outcome import Outcome
from protocol.models import Push
from store.tables import messages
from tests.logic.road import Road, code, private, pushed, reply, send, work

AB = private("ann", "bob")


@pytest.fixture(autouse=True)
def people(road: Road) -> None:
    road.people("ann", "bob", "cat")


def _stored(road: Road, conversation: str) -> list[tuple[int, str, str]]:
    with road.database.reading() as tx:
        return [(row.seq, row.sender, row.cid) for row in messages.after(tx, conversation, 0, 1000)]


def test_a_batch_numbers_each_conversation_from_one_without_holes(road: Road) -> None:
    other = private("ann", "cat")
    works = [send("ann" if n % 2 else "bob", AB) if n % 3 else send("cat", other) for n in range(30)]
    outcomes = road.run(*works)
    for conversation in (AB, other):
        seqs = [reply(o)["seq"] for o, w in zip(outcomes, works, strict=True) if w.key == conversation]
        assert seqs == list(range(1, len(seqs) + 1))
        assert [seq for seq, _, _ in _stored(road, conversation)] == seqs
    assert reply(road.run(send("ann", AB))[0])["seq"] == 21


def test_a_new_owner_goes_on_where_the_former_stopped(road: Road) -> None:
    road.write("ann", AB, 3)
    (outcome,) = road.another_owner().run([send("bob", AB)])
    assert reply(outcome)["seq"] == 4


def test_time_never_runs_back(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    now = reply(road.run(send("ann", AB))[0])["time"]
    monkeypatch.setattr("logic.workers.batch.now_ms", lambda: now - 60_000)
    assert reply(road.run(send("ann", AB))[0])["time"] == now


@pytest.mark.parametrize("owner", ["the same", "another"])
def test_a_retry_gets_the_same_answer_and_is_fanned_out_again(road: Road, owner: str) -> None:
    first = road.run(send("ann", AB, cid="c", mentions=["bob"]))[0]
    road.write("bob", AB, 2)
    runner = road.runner if owner == "the same" else road.another_owner()
    (again,) = runner.run([send("ann", AB, cid="c", mentions=["bob"])])
    assert reply(again) == {**reply(first), "duplicate": True}
    assert isinstance(first, Outcome) and isinstance(again, Outcome)
    assert pushed(again.effects[0]) == pushed(first.effects[0])
    assert len(_stored(road, AB)) == 3


def test_repeats_within_one_batch_are_one_message(road: Road) -> None:
    outcomes = road.run(*(send("ann", AB, cid="c") for _ in range(100)))
    assert {(reply(o)["seq"], reply(o)["time"]) for o in outcomes} == {(1, reply(outcomes[0])["time"])}
    assert [reply(o)["duplicate"] for o in outcomes] == [False] + [True] * 99
    assert len(_stored(road, AB)) == 1


def test_other_content_under_a_cid_is_a_conflict_and_changes_nothing(road: Road) -> None:
    road.run(send("ann", AB, cid="c"))
    others = [
        send("ann", AB, "other", cid="c"),
        send("ann", private("ann", "cat"), cid="c"),
        send("ann", AB, cid="c", reply_to=1),
    ]
    assert [code(outcome) for outcome in road.run(*others)] == ["conflict"] * 3
    assert [code(o) for o in road.another_owner().run([send("ann", AB, "other", cid="c")])] == ["conflict"]
    group = road.group("ann", "bob", cid="g")
    assert code(road.run(send("ann", f"g:{group}", cid="g"))[0]) == "conflict"
    assert len(_stored(road, AB)) == 1


def test_a_cid_is_one_of_its_sender(road: Road) -> None:
    outcomes = road.run(send("ann", AB, cid="c"), send("bob", AB, cid="c"))
    assert [reply(o)["seq"] for o in outcomes] == [1, 2]


@pytest.mark.parametrize(
    ("sender", "conversation", "expected"),
    [
        ("ann", private("ann", "nobody"), "not_found"),
        ("ann", private("bob", "cat"), "not_found"),
        ("ann", "g:nowhere", "not_found"),
        ("ann", "s:bob", "not_found"),
        ("ann", "s:ann", "forbidden"),
    ],
)
def test_where_nobody_may_write(road: Road, sender: str, conversation: str, expected: str) -> None:
    assert code(road.run(send(sender, conversation))[0]) == expected
    assert _stored(road, conversation) == []


def test_what_is_not_there_and_what_is_not_yours_are_the_same_bytes(road: Road) -> None:
    group = road.group("bob", "cat")
    missing, foreign = road.run(send("ann", "g:nowhere"), send("ann", f"g:{group}"))
    assert isinstance(missing, Outcome) and isinstance(foreign, Outcome)
    assert bytes(missing.answer(1).data) == bytes(foreign.answer(1).data)


def test_a_refused_one_leaves_no_hole(road: Road) -> None:
    outcomes = road.run(send("ann", AB), send("ann", AB, " "), send("ann", AB, reply_to=9), send("ann", AB, reply_to=1))
    assert [code(o) for o in outcomes] == ["ok", "bad_field", "bad_field", "ok"]
    assert reply(outcomes[3])["seq"] == 2


def test_notes_to_oneself(road: Road) -> None:
    (outcome,) = road.run(send("ann", "p:ann:ann", connection=7))
    assert isinstance(outcome, Outcome)
    (push,) = outcome.effects
    assert isinstance(push, Push) and push.users == ["ann"] and push.excluded == "g1.e1.7"


def test_a_push_is_for_both_people_but_not_the_connection_that_sent(road: Road) -> None:
    (outcome,) = road.run(send("ann", AB, "你好 👋", connection=7, mentions=["all"]))
    assert isinstance(outcome, Outcome)
    (push,) = outcome.effects
    assert isinstance(push, Push)
    assert (sorted(push.users), push.group, push.excluded) == (["ann", "bob"], "", "g1.e1.7")
    frame = pushed(push)
    assert frame["op"] == "message"
    assert (frame["data"]["body"], frame["data"]["seq"], frame["data"]["mentions"]) == ({"text": "你好 👋"}, 1, ["all"])


def test_a_push_to_a_group_names_the_group(road: Road) -> None:
    group = road.group("ann", "bob")
    (outcome,) = road.run(send("bob", f"g:{group}"))
    assert isinstance(outcome, Outcome)
    (push,) = outcome.effects
    assert isinstance(push, Push) and (push.users, push.group, push.excluded) == ([], group, "")


@pytest.mark.parametrize("text", ["' OR 1=1 --", "\\", "%s %(a)s {0}", "x" * 16_384, "\u202e\u0301" * 50 + "a"])
def test_text_is_kept_to_the_letter(road: Road, text: str) -> None:
    road.run(send("ann", AB, text))
    history = reply(road.call("message.history", "bob", conversation=AB))
    assert history["messages"][0]["body"] == {"text": text}


def test_sends_and_changes_of_a_group_in_one_batch_happen_in_their_order(road: Road) -> None:
    group = road.group("ann", "bob", "cat")
    conversation = f"g:{group}"
    outcomes = road.run(
        send("bob", conversation),
        work("group.remove", "ann", {"group": group, "users": ["bob"]}),
        send("bob", conversation),
        send("ann", conversation),
        work("group.invite", "ann", {"group": group, "users": ["bob"]}),
        send("bob", conversation),
    )
    assert [code(o) for o in outcomes] == ["ok", "ok", "not_found", "ok", "ok", "ok"]
    assert [seq for seq, _, _ in _stored(road, conversation)] == [1, 2, 3, 4, 5, 6]


def test_who_is_muted_may_read_and_not_write(road: Road) -> None:
    group = road.group("ann", "bob")
    with road.database.transaction() as tx:
        tx.execute("UPDATE members SET muted_until = %s WHERE user = %s", (2**45, "bob"))
    assert code(road.another_owner().run([send("bob", f"g:{group}")])[0]) == "forbidden"
    assert reply(road.call("message.history", "bob", conversation=f"g:{group}"))["max_seq"] == 1


def _removed(road: Road, group: str) -> None:
    reply(road.do("group.remove", "ann", group=group, users=["bob"]))


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_member_who_was_removed_gets_the_first_answer_to_a_retry(road: Road, is_remembered: bool) -> None:
    """Also when the worker has been restarted since. A new message of the same person is refused."""
    group = road.group("ann", "bob")
    first = road.run(send("bob", f"g:{group}", "in time", cid="c"))[0]
    _removed(road, group)
    if not is_remembered:
        road.runner = road.another_owner()
    again, new, other = road.run(
        send("bob", f"g:{group}", "in time", cid="c"),
        send("bob", f"g:{group}", "too late", cid="d"),
        send("bob", f"g:{group}", "something else", cid="c"),
    )
    assert reply(again) == {**reply(first), "duplicate": True}
    assert (code(new), code(other)) == ("not_found", "conflict")


def test_a_refusal_of_what_a_send_says_leaves_after_its_cid_was_looked_up(road: Road) -> None:
    """Other content under a cid is a conflict, also content that nobody could send."""
    reply(road.run(send("ann", AB, cid="c"))[0])
    road.runner = road.another_owner()
    too_large, nobodys = "x" * 20_000, private("bob", "cat")
    results = road.run(send("ann", AB, too_large, cid="c"), send("ann", nobodys, cid="c"), send("ann", nobodys))
    assert [code(result) for result in results] == ["conflict", "conflict", "not_found"]


def _mentions(road: Road) -> list[tuple[str, int]]:
    with road.database.reading() as tx:
        return sorted((str(user), int(seq)) for user, seq in tx.rows("SELECT user, seq FROM mentions"))


@pytest.mark.parametrize("owner", ["the same", "another"])
def test_mentions_of_nobody_leave_nothing(road: Road, owner: str) -> None:
    """200 mentions of nobody left 200 rows."""
    group = f"g:{road.group('ann', 'bob', 'cat')}"
    road.do("group.leave", "cat", group=group[2:])
    nobody = [f"nobody{number}" for number in range(200)]
    runner = road.runner if owner == "the same" else road.another_owner()
    outcomes = runner.run(
        [
            send("ann", group, cid="none", mentions=nobody),
            send("ann", group, cid="some", mentions=[*nobody[:196], "cat", "bob", "all", "bob"]),
            send("ann", AB, cid="private", mentions=["cat", "bob", "nobody"]),
        ]
    )
    frames = [pushed(outcome.effects[0])["data"] for outcome in outcomes if isinstance(outcome, Outcome)]
    assert [frame.get("mentions") for frame in frames] == [None, ["bob", "all"], ["bob"]]
    seqs = [frame["seq"] for frame in frames]
    assert _mentions(road) == [("all", seqs[1]), ("bob", seqs[2]), ("bob", seqs[1])]
    again = runner.run([send("ann", group, cid="none", mentions=nobody)])
    assert reply(again[0])["duplicate"] is True
    assert code(runner.run([send("ann", group, cid="none", mentions=nobody[:9])])[0]) == "conflict"
