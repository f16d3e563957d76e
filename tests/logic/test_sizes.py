"""No answer and no push of any op is larger than a frame may be, over rows as large as they can be; what does not fit
comes with the next page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from logic.outcome import Outcome
from logic.workers.batch import Result
from protocol import codec, content, ids, replies
from protocol.errors import ImError
from protocol.frames import MAX_CLIENT_FRAME_BYTES, MAX_LIST_BYTES, MAX_SERVER_FRAME_BYTES, write_error, write_frame
from protocol.models import Push
from protocol.ops import CLIENTS, OPS, Op, read_args
from store.tables import cursors, groups, mentions, messages, users
from store.tables.groups import GroupRow, MemberRow
from store.tables.users import UserRow
from tests.logic.road import Road, send
from tests.store.rows import NOW_MS, message

GROWING = "\x01"  # one character that takes six bytes in a frame
VISIBLE = "\U0001f986"  # where something must be there to see: four bytes
ANN = "a" * 64
OTHERS = [f"b{number:03}".ljust(64, "x") for number in range(520)]
PEOPLE = [ANN, *OTHERS]
GROUPS = [f"g{number:03}".ljust(64, "x") for number in range(220)]
CROWD = ids.group_conversation(GROUPS[0])
BUSY = 8  # conversations with messages of the largest kind, and as many of them
LONGEST_ID = GROWING * 64
MAX_CID = '"' * 60
IDENTS_OF_A_CALL = 200
LISTS = ("users", "groups", "members", "messages", "conversations", "more", "gone")


def largest_body() -> str:
    """As many bytes as a body may have."""
    empty = json.dumps({"x": ""}, separators=(",", ":"))
    return json.dumps({"x": "a" * (content.MAX_BODY_BYTES - len(empty))}, separators=(",", ":"))


def largest_message(conversation: str, seq: int, number: int) -> messages.MessageRow:
    named = codec.write(OTHERS[:200]).decode()
    cid = f"{MAX_CID}{number:02}{seq:02}"
    return message(
        conversation,
        seq,
        OTHERS[number],
        cid,
        type="t" * 16,
        body=largest_body(),
        mentions=named,
        reply_to=2**53,
        time=2**52,
    )


def fill(road: Road) -> None:
    """ann has 520 friends of the longest names, 220 groups, 740 conversations, and some of the largest messages."""
    bio = GROWING * 1024
    with road.database.transaction() as tx:
        users.insert_missing(tx, [UserRow(user, user, None, GROWING * 64, bio, bio) for user in PEOPLE], NOW_MS)
        for group in GROUPS:
            name, count = GROWING * 64, len(PEOPLE)
            groups.insert(tx, GroupRow(group, name, GROWING * 1024, None, ANN, "approval", True, count), NOW_MS)
        crowd = [MemberRow(GROUPS[0], user, "member", 1, None, 2**52) for user in OTHERS]
        own = [MemberRow(group, ANN, "admin" if group == GROUPS[2] else "owner", 1, None, 0) for group in GROUPS]
        groups.put_members(tx, own + crowd)
    # Another owner, so that the one under test does not remember where these conversations ended before the next step.
    road.another_owner().run([send(user, private_with_ann(user)) for user in OTHERS])
    with road.database.transaction() as tx:
        of_groups = [ids.group_conversation(group) for group in GROUPS]
        cursors.read_up_to(tx, [(ANN, conversation, 0) for conversation in of_groups])
        messages.insert(tx, [message(name, 1, OTHERS[0], f"m{n}") for n, name in enumerate(of_groups)])
        for number, conversation in enumerate([*map(private_with_ann, OTHERS[:BUSY]), CROWD]):
            messages.insert(tx, [largest_message(conversation, seq, number) for seq in range(2, BUSY + 1)])
            mentions.insert(tx, [(ANN, conversation, BUSY)])


def private_with_ann(user: str) -> str:
    return ids.private_conversation(ANN, user)


class Case(NamedTuple):
    """What to ask of an op, and where its pages are followed how to go on: the arguments of the next page."""

    data: dict[str, Any]
    following: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any] | None] | None = None


def after(data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any] | None:
    return {**data, "after": reply["next"]} if "next" in reply else None


def older(data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any] | None:
    return {**data, "before": reply["messages"][0]["seq"]} if reply.get("more") else None


def newer(data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any] | None:
    return {**data, "after": reply["messages"][-1]["seq"]} if reply.get("more") else None


PEER = private_with_ann(OTHERS[0])
SEND = {"conversation": CROWD, "type": "custom", "body": {"x": "a" * 60_000}, "mentions": OTHERS[:30]}
LONGEST_NAMES: dict[str, Any] = {"name": VISIBLE * 64, "avatar": GROWING * 1024}
ACCOUNT = {"username": "u" * 64, "password": "correct horse"}

# The largest answers and pushes that each op can be made to give. An op that is missing here fails a test.
CASES: dict[str, list[Case]] = {
    "account.register": [Case({**ACCOUNT, "name": VISIBLE * 64})],
    "account.login": [Case({**ACCOUNT, "device": GROWING * 128})],
    "account.password": [Case({"old": "not it", "new": "correct horse"})],
    "account.logout": [Case({"all": True})],
    "token.refresh": [Case({"refresh": "r" * 4096})],
    "user.get": [Case({"ids": OTHERS[:IDENTS_OF_A_CALL]}, after)],
    "user.update": [Case({**LONGEST_NAMES, "bio": GROWING * 1024})],
    "message.send": [Case({**SEND, "cid": "c" * 64})],
    "message.recall": [Case({"conversation": CROWD, "seq": BUSY + 1})],
    "message.history": [
        Case({"conversation": CROWD, "limit": 200}, older),
        Case({"conversation": CROWD, "after": 0, "limit": 200}, newer),
        Case({"conversation": PEER, "limit": 200}, older),
    ],
    "message.read": [Case({"conversation": CROWD, "seq": 1})],
    "typing": [Case({"conversation": PEER}), Case({"conversation": CROWD})],
    "sync": [
        Case({"cursors": {}}, after),
        Case({"cursors": {f"p:{ANN}:{'z' * 60}{n:04}": 2**53 for n in range(400)}}, after),
    ],
    "conversation.list": [Case({"limit": 200}, after)],
    "friend.request": [Case({"user": OTHERS[1], "text": VISIBLE * 256})],
    "group.create": [Case({**LONGEST_NAMES, "members": OTHERS[:500]})],
    "group.get": [Case({"group": GROUPS[0]})],
    "group.list": [Case({"limit": 200}, after)],
    "group.members": [Case({"group": GROUPS[0], "limit": 200}, after)],
    "group.invite": [Case({"group": GROUPS[1], "users": OTHERS[:500]})],
    "group.remove": [Case({"group": GROUPS[0], "users": OTHERS[:500]})],
    "group.leave": [Case({"group": GROUPS[2]})],
}
REFUSED = {"account.password", "token.refresh"}  # ann has neither; an answer to either is of three fields
OF_CLIENTS = [op for op in OPS.values() if op.callers & CLIENTS]


def ask(road: Road, op: Op, data: dict[str, Any]) -> Outcome:
    outcome: Result = road.do(op.name, ANN, **data) if op.key is not None else road.call(op.name, ANN, **data)
    assert isinstance(outcome, Outcome)
    return outcome


def check(op: Op, outcome: Outcome) -> dict[str, Any] | None:
    """The reply's data, None of a refusal; an assertion fails where a frame or a list is too large."""
    for effect in outcome.effects:
        if isinstance(effect, Push):
            assert len(effect.frame) <= MAX_SERVER_FRAME_BYTES, op.name
    if isinstance(outcome.reply, ImError):
        assert len(write_error(outcome.reply, LONGEST_ID)) < 4096
        return None
    assert isinstance(outcome.reply, bytes)
    assert len(write_frame("reply", outcome.reply, LONGEST_ID)) <= MAX_SERVER_FRAME_BYTES, op.name
    data: dict[str, Any] = json.loads(outcome.reply)
    for name in LISTS:
        entries = data.get(name, [])
        size = len(codec.write(entries))
        assert size <= MAX_LIST_BYTES or len(entries) == 1, (op.name, name, size)
    return data


def pages(road: Road, op: Op, case: Case) -> Iterator[dict[str, Any]]:
    asked: dict[str, Any] | None = case.data
    while asked is not None:
        reply = check(op, ask(road, op, asked))
        if reply is None:
            return
        yield reply
        asked = case.following(asked, reply) if case.following else None


@pytest.fixture
def full(road: Road) -> Road:
    fill(road)
    return road


def test_every_op_has_its_largest_answers_here() -> None:
    assert {op.name for op in OF_CLIENTS} == CASES.keys()


def test_no_answer_and_no_push_is_larger_than_its_frame(full: Road) -> None:
    """`user.get` of 60 users had 250 KB, `group.list` of 150 groups 180 KB."""
    succeeded = set()
    for op in OF_CLIENTS:
        for case in CASES[op.name]:
            for number, _ in enumerate(pages(full, op, case)):
                assert number < 1000, f"the pages of {op.name} have no end"
                succeeded.add(op.name)
    assert succeeded == CASES.keys() - REFUSED


def test_what_does_not_fit_comes_with_the_next_page(full: Road) -> None:
    def everything(op: str, case: Case, listed: str, name: str) -> list[Any]:
        return [entry[name] for page in pages(full, OPS[op], case) for entry in page[listed]]

    wanted = OTHERS[:IDENTS_OF_A_CALL]
    assert everything("user.get", Case({"ids": wanted[::-1]}, after), "users", "id") == wanted[::-1]
    assert everything("group.list", Case({}, after), "groups", "id") == GROUPS
    assert everything("group.members", Case({"group": GROUPS[0]}, after), "members", "user") == PEOPLE
    listed = everything("conversation.list", Case({"limit": 200}, after), "conversations", "conversation")
    assert len(listed) == len(set(listed)) == len(OTHERS) + len(GROUPS)
    newest_first = Case({"conversation": CROWD}, older)
    assert sorted(everything("message.history", newest_first, "messages", "seq")) == list(range(1, BUSY + 1))


def test_a_page_of_users_goes_on_behind_one_of_its_ids_only(road: Road) -> None:
    outcome = road.call("user.get", ANN, ids=["bob"], after="cat")
    assert isinstance(outcome.reply, ImError) and outcome.reply.extra["field"] == "after"


def test_a_notice_of_the_largest_group_fits(full: Road) -> None:
    made = ask(full, OPS["group.create"], {**LONGEST_NAMES, "members": OTHERS[:500]})
    reply = check(OPS["group.create"], made)
    assert reply is not None
    conversation = ids.group_conversation(reply["group"]["id"])
    for op, data in (
        ("message.history", {"conversation": conversation}),
        ("sync", {"cursors": {conversation: 0}, "only": True}),
    ):
        read = check(OPS[op], ask(full, OPS[op], data))
        assert read is not None and read["messages"], op


@pytest.mark.parametrize("character", ["\xad", "\u200b", "\x01", "\\", "雁"])
@pytest.mark.parametrize("op", OF_CLIENTS, ids=lambda op: op.name)
def test_a_refusal_quotes_no_more_than_a_sentence(op: Op, character: str) -> None:
    """`group.create` with 60 KB of soft hyphens as `join` was quoted in full, each as six characters."""
    long = (character * MAX_CLIENT_FRAME_BYTES)[: MAX_CLIENT_FRAME_BYTES // len(json.dumps(character))]
    for field in op.args.__struct_fields__:
        for value in (long, [long], {long: 1}):
            try:
                read_args(op, {**CASES[op.name][0].data, field: value})
            except ImError as refusal:
                assert len(write_error(refusal, LONGEST_ID)) < 4096


def test_every_reply_with_a_list_that_may_be_long_is_cut_by_itself() -> None:
    for page in replies.Page.__subclasses__():
        assert page.listed in page.__struct_fields__
        assert {"next", page.listed} <= set(page.__struct_fields__)
