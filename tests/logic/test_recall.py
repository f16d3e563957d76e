"""message.recall: who may, for how long, and what is left of the message; on both engines."""

from __future__ import annotations

import json

import pytest

from logic.outcome import Outcome
from logic.workers.batch import Result
from protocol.models import Push
from tests.logic.road import Road, code, private, pushed, reply, send, work

AB = private("ann", "bob")


@pytest.fixture(autouse=True)
def people(road: Road) -> None:
    road.people("ann", "bob", "cat", "dan")


def _recall(road: Road, who: str, conversation: str, seq: int, **more: str) -> Result:
    return road.do("message.recall", who, conversation=conversation, seq=seq, **more)


def _history(road: Road, who: str, conversation: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = reply(road.call("message.history", who, conversation=conversation))["messages"]
    return found


def test_the_body_is_gone_everywhere_and_an_event_says_so(road: Road) -> None:
    road.run(send("ann", AB, "secret", cid="c"), send("bob", AB, "what?"))
    outcome = _recall(road, "ann", AB, 1)
    assert reply(outcome) == {"seq": 3}
    assert isinstance(outcome, Outcome)
    (push,) = outcome.effects
    assert isinstance(push, Push) and push.users == ["ann", "bob"]
    event = pushed(push)["data"]
    assert (event["seq"], event["type"], event["body"], event["sender"]) == (3, "recall", {"seq": 1}, "ann")
    for who in ("ann", "bob"):
        first, second, third = _history(road, who, AB)
        assert (first["seq"], first["body"], first["recalled"], first["changed"]) == (1, {}, True, 3)
        assert "recalled" not in second and third["type"] == "recall"
    synced = reply(road.call("sync", "bob", cursors={AB: 0}))
    assert "secret" not in json.dumps([synced, _history(road, "bob", AB)])
    assert [c["unread"] for c in synced["conversations"]] == [0]


@pytest.mark.parametrize("owner", ["the same worker", "another"])
def test_a_retry_of_the_recalled_send_is_answered_without_its_body(road: Road, owner: str) -> None:
    sent = send("ann", AB, "secret", cid="c")
    first = reply(road.run(sent)[0])
    _recall(road, "ann", AB, 1)
    runner = road.runner if owner == "the same worker" else road.another_owner()
    (again,) = runner.run([sent], look_up=True)
    assert reply(again) == {**first, "duplicate": True}
    assert isinstance(again, Outcome)
    assert pushed(again.effects[0])["data"]["body"] == {}
    (other,) = runner.run([send("ann", AB, "other", cid="c")], look_up=True)
    assert code(other) == "conflict"


def test_a_message_that_is_recalled_in_the_batch_that_wrote_it_is_not_remembered_with_its_body(road: Road) -> None:
    sent = send("ann", AB, "secret", cid="c")
    recall = work("message.recall", "ann", {"conversation": AB, "seq": 1})
    assert [code(outcome) for outcome in road.run(sent, recall)] == ["ok", "ok"]
    (again,) = road.run(sent)
    assert isinstance(again, Outcome) and reply(again)["duplicate"]
    assert pushed(again.effects[0])["data"]["body"] == {}


def test_again_it_finds_the_first_recall(road: Road) -> None:
    road.write("ann", AB, 1)
    assert reply(_recall(road, "ann", AB, 1, cid="r")) == {"seq": 2}
    assert reply(_recall(road, "ann", AB, 1, cid="r")) == {"seq": 2}
    assert reply(_recall(road, "ann", AB, 1, cid="another")) == {"seq": 2}
    assert len(_history(road, "ann", AB)) == 2


def test_a_sender_has_two_minutes(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    road.write("ann", AB, 2)
    (first, *_) = _history(road, "ann", AB)
    monkeypatch.setattr("logic.workers.batch.now_ms", lambda: int(str(first["time"])) + 121_000)
    assert code(_recall(road, "ann", AB, 1)) == "forbidden"
    monkeypatch.setattr("logic.workers.batch.now_ms", lambda: int(str(first["time"])) + 119_000)
    assert code(_recall(road, "ann", AB, 1)) == "ok"


def test_in_a_group_its_owner_and_admins_may_always(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    group = road.group("ann", "bob", "cat")
    conversation = f"g:{group}"
    road.write("bob", conversation, 2)
    assert code(_recall(road, "cat", conversation, 2)) == "forbidden"
    monkeypatch.setattr("logic.workers.batch.now_ms", lambda: road.now_ms + 10**9)
    assert code(_recall(road, "bob", conversation, 2)) == "forbidden"
    outcome = _recall(road, "ann", conversation, 2)
    assert isinstance(outcome, Outcome) and code(outcome) == "ok"
    assert isinstance(outcome.effects[0], Push) and outcome.effects[0].group == group


def test_what_cannot_be_recalled(road: Road) -> None:
    road.write("ann", AB, 1)
    group = road.group("ann", "bob")
    road.write("ann", f"g:{group}", 1)
    road.do("group.invite", "ann", group=group, users=["cat"])
    assert code(_recall(road, "ann", f"g:{group}", 1)) == "forbidden", "a notice"
    assert code(_recall(road, "ann", AB, 2)) == "not_found"
    assert code(_recall(road, "bob", AB, 1)) == "forbidden"
    assert code(_recall(road, "cat", f"g:{group}", 2)) == "not_found", "from before cat's time"
    assert code(_recall(road, "dan", AB, 1)) == "not_found"
    assert code(_recall(road, "dan", f"g:{group}", 2)) == "not_found"
    assert code(_recall(road, "ann", "g:nowhere", 1)) == "not_found"


def test_who_was_mentioned_is_not_any_more(road: Road) -> None:
    road.run(send("ann", AB, "hey", mentions=["bob"]))
    listed = lambda: reply(road.call("conversation.list", "bob"))["conversations"][0]["mentioned"]  # noqa: E731
    assert listed() is True
    _recall(road, "ann", AB, 1)
    assert listed() is False


def test_a_stale_owner_pushes_a_recalled_message_as_it_is_now(road: Road) -> None:
    """It answers a retry without a write, so no key tells it that another has written since."""
    late = road.another_owner()
    first = reply(late.run([send("ann", AB, "a secret", cid="c")])[0])
    road.do("message.recall", "ann", conversation=AB, seq=first["seq"])
    (again,) = late.run([send("ann", AB, "a secret", cid="c")])
    assert reply(again) == {**first, "duplicate": True}
    assert isinstance(again, Outcome)
    (effect,) = again.effects
    assert (pushed(effect)["data"]["body"], pushed(effect)["data"]["recalled"]) == ({}, True)
