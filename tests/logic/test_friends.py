"""friend.request: what is left, and what is emitted; on both engines."""

from __future__ import annotations

import pytest

from logic.delivery.emitter import command_of
from logic.outcome import Outcome
from logic.work import Work, read_work
from logic.workers.batch import Result
from protocol.client_command import read_command
from store.tables.outbox import OutboxRow
from tests.logic.road import Road, code, pushed, reply
from tests.store.rows import emitted_waiting


@pytest.fixture(autouse=True)
def people(road: Road) -> None:
    road.people("ann", "bob")


def _ask(road: Road, peer: str = "bob", **more: str) -> Result:
    return road.do("friend.request", "ann", user=peer, **more)


def _emitted(outcome: Result) -> list[OutboxRow]:
    assert isinstance(outcome, Outcome)
    return outcome.emitted


def _as_work(row: OutboxRow) -> Work:
    work = read_work(command_of(row), redelivered=False)
    assert isinstance(work, Work)
    return work


def _waiting(road: Road) -> int:
    with road.database.reading() as tx:
        return emitted_waiting(tx)


def test_the_one_who_is_asked_gets_a_notice(road: Road) -> None:
    asked = _ask(road, text="we met in Kunming", cid="c")
    (row,) = _emitted(asked)
    assert reply(asked) == {} and (row.sender, row.op, row.key) == ("_system", "notice.append", "s:bob")
    assert _waiting(road) == 1
    (noticed,) = road.run(_as_work(row))
    assert isinstance(noticed, Outcome)
    notice = pushed(noticed.effects[0])["data"]
    body = {"event": "friend_request", "user": "ann", "text": "we met in Kunming"}
    assert (notice["conversation"], notice["seq"], notice["sender"], notice["body"]) == ("s:bob", 1, "_system", body)
    assert _waiting(road) == 0
    synced = reply(road.call("sync", "bob", cursors={}))
    assert [m["body"] for m in synced["messages"]] == [body]
    assert reply(road.call("message.history", "ann", conversation="p:ann:bob"))["messages"] == []


def test_however_often_it_is_sent_the_notice_is_one(road: Road) -> None:
    (row,) = _emitted(_ask(road, cid="c"))
    road.run(_as_work(row), _as_work(row))
    road.another_owner().run([_as_work(row)])
    assert len(reply(road.call("message.history", "bob", conversation="s:bob"))["messages"]) == 1


def test_a_repeated_request_is_one(road: Road) -> None:
    assert len(_emitted(_ask(road, cid="c"))) == 1
    assert _emitted(_ask(road, cid="c")) == [] == _emitted(_ask(road, cid="another"))
    assert _waiting(road) == 1
    assert code(_ask(road, cid="c", text="other words")) == "conflict"


def test_what_is_refused_is_off_the_outbox_too(road: Road) -> None:
    (row,) = _emitted(_ask(road))
    elsewhere = row._replace(key="g:x", data=row.data.replace("s:bob", "g:x"))
    assert code(road.run(_as_work(elsewhere))[0]) == "not_found"
    assert _waiting(road) == 0


def test_whom_one_cannot_ask(road: Road) -> None:
    assert code(_ask(road, "nobody")) == "not_found"
    assert code(_ask(road, "ann")) == "bad_field"
    assert _waiting(road) == 0


def test_what_only_the_system_does_is_no_op_for_others(road: Road) -> None:
    assert read_command('{"op":"notice.append","id":"1","data":{"conversation":"s:bob","body":{}}}') is None
