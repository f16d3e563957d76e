"""A cid is a promise: every op of the registry that writes gives its first answer again, whatever has become of its
caller since. On both engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from logic.workers.batch import Result
from protocol.ops import OPS
from store.tables import users
from tests.logic.road import Road, code, private, reply, send, work
from tests.logic.test_accounts import OTHER, PASSWORD, register, session_of

AB = private("ann", "bob")


@dataclass
class Case:
    """A write of `sender`, who may carry it out; `taken_away()` changes that. Then the same under another cid is
    `refused`; "ok" where nothing that can be taken away is asked for."""

    sender: str
    data: dict[str, Any]
    taken_away: Callable[[], object]
    refused: str
    session: str = field(default="")


def _deleted(road: Road, user: str) -> Callable[[], None]:
    def delete() -> None:
        with road.database.transaction() as tx:
            assert tx.execute("DELETE FROM users WHERE id = %s", (user,)) == 1

    return delete


def _removed(road: Road, group: str, user: str) -> Callable[[], object]:
    return lambda: reply(road.do("group.remove", "owner", group=group, users=[user]))


def _account(road: Road, op: str) -> Case:
    made = register(road, "dan")
    user, session = made["user"]["id"], session_of(road, made["token"])
    known = {"username": "dan", "password": PASSWORD}

    def renamed() -> None:
        reply(road.call("user.update", user, name="Daniel"))

    match op:
        case "account.register":
            return Case("", {"username": "eve", "password": PASSWORD}, lambda: None, "conflict")
        case "account.login":
            return Case("", {**known, "device": "d"}, renamed, "ok")
        case "account.password":
            again = {"old": OTHER, "new": "yet another one"}
            data = {"old": PASSWORD, "new": OTHER}
            return Case(user, data, lambda: reply(road.call("account.password", user, session, **again)), "forbidden")
        case "account.logout":
            return Case(user, {}, renamed, "ok", session)
        case "user.update":
            return Case(user, {"bio": "before"}, renamed, "ok")
    successor = road.services.refresh_tokens.successor(made["refresh"])
    data = {"refresh": made["refresh"]}
    return Case("", data, lambda: reply(road.call("token.refresh", refresh=successor)), "ok")


def _in_group(road: Road, op: str) -> Case:
    group = road.group("owner", "ann", "bob", join="open")
    conversation, is_ann_removed = f"g:{group}", _removed(road, group, "ann")
    match op:
        case "message.send":
            data = {"conversation": conversation, "type": "text", "body": {"text": "hi"}}
            return Case("ann", data, is_ann_removed, "not_found")
        case "message.recall":
            road.run(send("ann", conversation, cid="said"))
            return Case("ann", {"conversation": conversation, "seq": 2}, is_ann_removed, "not_found")
        case "message.read":
            return Case("ann", {"conversation": conversation, "seq": 1}, is_ann_removed, "not_found")
        case "group.invite":
            return Case("ann", {"group": group, "users": ["cat"]}, is_ann_removed, "not_found")
        case "group.leave":
            return Case("ann", {"group": group}, lambda: None, "not_found")
    return Case("owner", {"group": group, "users": ["bob"]}, lambda: None, "not_found")


def _between_two(road: Road, op: str) -> Case:
    match op:
        case "friend.request":
            return Case("ann", {"user": "bob", "text": "hello"}, _deleted(road, "bob"), "not_found")
        case "group.create":
            return Case("ann", {"name": "x", "members": ["bob"]}, _deleted(road, "bob"), "not_found")
    return Case("_system", {"conversation": "s:ann", "body": {"event": "x"}}, lambda: None, "ok")


MAKERS = {
    **dict.fromkeys((name for name in OPS if name.startswith(("account.", "token.", "user."))), _account),
    **dict.fromkeys(("message.send", "message.recall", "message.read"), _in_group),
    **dict.fromkeys(("group.invite", "group.leave", "group.remove"), _in_group),
    **dict.fromkeys(("friend.request", "group.create", "notice.append"), _between_two),
}
WRITES = sorted(name for name, op in OPS.items() if op.writes)


def _asked(road: Road, op: str, case: Case, cid: str) -> Result:
    """Under a worker that remembers nothing."""
    if OPS[op].key is None:
        return road.call(op, case.sender, case.session, **case.data, cid=cid)
    return road.another_owner().run([work(op, case.sender, {**case.data, "cid": cid})])[0]


REGISTER = "account.register"  # whose user is nobody before it
OWN, GATEWAYS = "c", "~e1.7"
NEEDS_NONE = {"message.read"}
"""Without a cid of its client it leaves nothing: what it does only moves forward."""


@pytest.mark.parametrize(
    ("op", "cid"), [(op, cid) for op in WRITES for cid in (OWN, GATEWAYS) if cid == OWN or op not in NEEDS_NONE]
)
def test_every_op_that_writes_gives_its_first_answer_again(road: Road, op: str, cid: str) -> None:
    """Carried out, permission taken away, the worker restarted, the same cid: of the client's own, or of the gateway
    whose command came back."""
    road.people("ann", "bob", "cat", "owner")
    case = MAKERS[op](road, op)
    first = reply(_asked(road, op, case, cid))
    case.taken_away()
    assert code(_asked(road, op, case, "another")) == case.refused
    again = reply(_asked(road, op, case, cid))
    assert again == ({**first, "duplicate": True} if op == "message.send" else first)


@pytest.mark.parametrize(
    ("op", "is_first"), [(op, is_first) for op in WRITES for is_first in (True, False) if is_first or op != REGISTER]
)
def test_every_op_that_writes_shares_its_cids_with_all_others(road: Road, op: str, is_first: bool) -> None:
    road.people("ann", "bob", "cat", "owner", "_system")
    case = MAKERS[op](road, op)
    if is_first:
        assert code(_asked(road, op, case, "c")) == "ok"
    user = case.sender or _user(road, case)
    update = road.call("user.update", user, name="x", cid="c")
    assert code(update) == ("conflict" if is_first else "ok")
    if not is_first:
        assert code(_asked(road, op, case, "c")) == "conflict"


def _user(road: Road, case: Case) -> str:
    """Whom a caller without a token has turned out to be."""
    with road.database.reading() as tx:
        row = users.by_username(tx, case.data.get("username", "dan"))
    assert row is not None
    return row.id
