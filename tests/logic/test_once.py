"""A write is carried out once, whatever op first used its cid; on both engines."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from logic.workers.batch import Result
from store.errors import Contention, Duplicate
from store.tables import messages
from store.transaction import Transaction
from tests.logic.road import Road, code, private, reply, send, work

AB = private("ann", "bob")
GROUP = {"name": "x", "members": ["bob"]}


def _send(road: Road, text: str = "hi") -> Result:
    return road.run(send("ann", AB, text, cid="c"))[0]


def _create(road: Road) -> Result:
    return road.do("group.create", "ann", **GROUP, cid="c")


def _update(road: Road, name: str = "Ann") -> Result:
    return road.call("user.update", "ann", name=name, cid="c")


def _log_out(road: Road) -> Result:
    return road.call("account.logout", "ann", "s", cid="c")


WRITES: dict[str, Any] = {"send": _send, "create": _create, "update": _update, "log out": _log_out}


@pytest.fixture(autouse=True)
def people(road: Road) -> None:
    road.people("ann", "bob")


@pytest.mark.parametrize("first", WRITES)
@pytest.mark.parametrize("second", WRITES)
def test_a_cid_is_good_for_one_write(road: Road, first: str, second: str) -> None:
    """The same again is answered again; another op under that cid is a conflict."""
    assert code(WRITES[first](road)) == "ok"
    assert code(WRITES[second](road)) == ("ok" if first == second else "conflict")
    road.runner = road.another_owner()  # nothing is remembered
    assert code(WRITES[second](road)) == ("ok" if first == second else "conflict")


@pytest.mark.parametrize("ordered", ["send", "create"])
@pytest.mark.parametrize("pooled", ["update", "log out"])
def test_a_cid_used_by_an_owner_and_a_pool_at_once_is_good_for_one_write(
    road: Road, monkeypatch: pytest.MonkeyPatch, ordered: str, pooled: str
) -> None:
    """Neither finds the other's row when it looks; the one that comes second begins anew, and then it does."""
    both_looked, insert = threading.Barrier(2), messages.insert

    def meet(tx: Transaction, rows: Any) -> None:
        with suppress(threading.BrokenBarrierError):
            both_looked.wait(1)  # over SQLite only one of them can be here
        insert(tx, rows)

    def in_pool() -> Result:
        for _ in range(3):
            with suppress(Contention, Duplicate):
                return WRITES[pooled](road)
        raise AssertionError("three times were not enough")

    monkeypatch.setattr(messages, "insert", meet)
    with ThreadPoolExecutor(2) as pool:
        outcomes = [future.result() for future in (pool.submit(WRITES[ordered], road), pool.submit(in_pool))]
    assert sorted(map(code, outcomes)) == ["conflict", "ok"]


def test_the_answer_is_that_of_the_first_time(road: Road) -> None:
    assert reply(_update(road))["user"]["name"] == "Ann"
    road.call("user.update", "ann", name="Anne", cid="another")
    assert reply(_update(road))["user"]["name"] == "Ann"


def test_an_invitation_that_changed_nothing_changes_nothing_later(road: Road) -> None:
    group = road.group("ann", "bob")
    invite = {"group": group, "users": ["bob"], "cid": "again"}
    assert code(road.do("group.invite", "ann", **invite)) == "ok"
    road.do("group.leave", "bob", group=group)
    assert code(road.do("group.invite", "ann", **invite)) == "ok"
    assert [m["user"] for m in reply(road.call("group.members", "ann", group=group))["members"]] == ["ann"]


def test_nobody_reads_what_such_writes_leave(road: Road) -> None:
    _update(road)
    assert code(road.call("message.history", "ann", conversation="~")) == "bad_field"
    assert reply(road.call("sync", "ann", cursors={}))["conversations"] == []


def test_a_password_leaves_no_digest_of_itself(road: Road) -> None:
    one = work("account.password", "ann", {"old": "password1", "new": "password2", "cid": "c"})
    other = work("account.password", "ann", {"old": "password3", "new": "password4", "cid": "c"})
    assert one.digest() == other.digest()
