"""typing: whom it reaches, and that nothing is left of it; on both engines."""

from __future__ import annotations

import pytest

from logic.handlers.messages import typing
from logic.outcome import Outcome
from protocol.models import Push
from tests.logic.road import Road, code, private, pushed, reply

AB = private("ann", "bob")


@pytest.fixture(autouse=True)
def people(road: Road) -> None:
    road.people("ann", "bob", "cat")


def _push(outcome: Outcome) -> Push:
    (push,) = outcome.effects
    assert isinstance(push, Push) and push.transient
    return push


def test_the_peer_is_told_and_nobody_else(road: Road) -> None:
    push = _push(road.call("typing", "ann", conversation=AB))
    assert push.users == ["bob"]
    assert pushed(push) == {"op": "typing", "data": {"conversation": AB, "user": "ann"}}


def test_a_group_is_told_unless_it_is_large(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    group = road.group("ann", "bob", "cat")
    assert _push(road.call("typing", "bob", conversation=f"g:{group}")).users == ["ann", "cat"]
    monkeypatch.setattr(typing, "MAX_MEMBERS", 2)
    assert road.call("typing", "bob", conversation=f"g:{group}").effects == []


def test_notes_to_oneself_are_told_to_nobody(road: Road) -> None:
    assert road.call("typing", "ann", conversation=private("ann", "ann")).effects == []


def test_nothing_is_left_of_it(road: Road) -> None:
    road.call("typing", "ann", conversation=AB)
    with road.database.reading() as tx:
        assert tx.rows("SELECT cid FROM messages") == []
    assert reply(road.call("conversation.list", "bob"))["conversations"] == []


def test_where_one_cannot_write(road: Road) -> None:
    group = road.group("ann", "bob")
    assert code(road.call("typing", "ann", conversation="s:ann")) == "forbidden"
    for conversation in (f"g:{group}", "g:nowhere", AB, "s:ann", private("cat", "nobody")):
        assert code(road.call("typing", "cat", conversation=conversation)) == "not_found"
