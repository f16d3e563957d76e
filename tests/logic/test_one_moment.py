"""Nobody reads past a removal: it may come between any two statements of a read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from logic.outcome import Outcome
from store.transaction import Transaction
from tests.logic.road import Road, code, reply

STATEMENTS = 12  # more than any of these reads has

READS: dict[str, dict[str, Any]] = {
    "message.history": {},
    "message.history after": {"after": 0},
    "message.history before": {"before": 1000},
    "sync": {},
    "conversation.list": {},
    "group.members": {},
}


def _read(road: Road, name: str, group: str) -> Outcome:
    op = name.partition(" ")[0]
    data = dict(READS[name])
    if op == "message.history":
        data["conversation"] = f"g:{group}"
    elif op == "sync":
        data["cursors"] = {f"g:{group}": 1}
    elif op == "group.members":
        data["group"] = group
    return road.call(op, "bob", **data)


def _before_statement(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> None:
    """Call `act` once, before the statement `number` from now on."""
    execute = Transaction.execute
    count = 0

    def counted(tx: Transaction, sql: str, params: Any = ()) -> int:
        nonlocal count
        count += 1
        if count == number:
            act()
        return execute(tx, sql, params)

    monkeypatch.setattr(Transaction, "execute", counted)


@pytest.mark.parametrize("number", range(1, STATEMENTS + 1))
@pytest.mark.parametrize("name", READS)
def test_who_is_removed_while_a_read_runs_gets_nothing_that_was_said_after(
    road: Road, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    road.people("a.newcomer")
    group = road.group("ann", "bob")
    conversation = f"g:{group}"
    road.write("ann", conversation, 2)

    def remove() -> None:
        road.do("group.remove", "ann", group=group, users=["bob"])
        road.write("ann", conversation, 1, "bob must not see this")
        road.do("group.invite", "ann", group=group, users=["a.newcomer"])

    _before_statement(monkeypatch, number, remove)
    outcome = _read(road, name, group)
    monkeypatch.undo()
    if code(outcome) == "ok":
        assert isinstance(outcome.reply, bytes)
        assert b"must not see" not in outcome.reply and b"a.newcomer" not in outcome.reply
        assert reply(outcome).get("max_seq", 0) <= 4
    else:
        assert code(outcome) == "not_found"
