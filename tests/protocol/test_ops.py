"""The registry of ops, their arguments, and the digest that tells a retry from other content."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ids
from protocol.args import WriteArgs
from protocol.digest import content_digest
from protocol.errors import HTTP_STATUS, ImError
from protocol.fields import read_fields
from protocol.models import LoginInfo, UserInfo
from protocol.ops import CLIENTS, HTTP, OPS, Caller, Op, created_group, find_op, read_args

ANN = UserInfo("ann", "web")
SEND = {"conversation": "p:ann:bob", "cid": "c1", "type": "text", "body": {"text": "hi"}}
FIELDS = [
    "conversation",
    "cid",
    "type",
    "body",
    "seq",
    "limit",
    "after",
    "before",
    "cursors",
    "group",
    "users",
    "ids",
    "name",
]
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=80)
    | st.lists(st.text(max_size=5), max_size=3)
    | st.dictionaries(st.text(max_size=5), st.integers())
)


def _refused(op: str, data: dict[str, Any]) -> ImError:
    with pytest.raises(ImError) as refused:
        read_args(OPS[op], data)
    return refused.value


@given(st.sampled_from(sorted(OPS)), st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_arguments_or_a_refusal_that_names_the_field(op: str, data: dict[str, Any]) -> None:
    try:
        args = read_args(OPS[op], data)
    except ImError as refusal:
        assert refusal.code in HTTP_STATUS
        assert refusal.code == "too_large" or refusal.extra["field"]
    else:
        assert isinstance(args, OPS[op].args)


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.writes], ids=lambda op: op.name)
def test_every_write_takes_a_cid(op: Op) -> None:
    assert issubclass(op.args, WriteArgs)
    assert "cid" in op.args.__struct_fields__


@pytest.mark.parametrize(
    ("op", "data", "code", "field"),
    [
        ("message.send", {"cid": "c1"}, "bad_field", "conversation"),
        ("message.send", {**SEND, "cid": "a b"}, "bad_field", "cid"),
        ("message.send", {**SEND, "cid": ""}, "bad_field", "cid"),
        ("message.send", {**SEND, "cid": "x" * 65}, "bad_field", "cid"),
        ("message.send", {k: v for k, v in SEND.items() if k != "cid"}, "bad_field", "cid"),
        ("message.send", {**SEND, "conversation": "p:bob:ann"}, "bad_field", "conversation"),
        ("message.send", {**SEND, "conversation": "nowhere"}, "bad_field", "conversation"),
        ("message.send", {**SEND, "conversation": {"$ne": 1}}, "bad_field", "conversation"),
        ("message.send", {**SEND, "body": "hi"}, "bad_field", "body"),
        ("message.send", {**SEND, "mentions": ["x"] * 201}, "too_large", None),
        ("message.send", {**SEND, "reply_to": 0}, "bad_field", "reply_to"),
        ("message.send", {**SEND, "reply_to": True}, "bad_field", "reply_to"),
        ("message.read", {"conversation": "g:x", "seq": 2**63 - 1}, "bad_field", "seq"),
        ("message.read", {"conversation": "g:x", "seq": -1}, "bad_field", "seq"),
        ("message.read", {"conversation": "g:x", "seq": "1"}, "bad_field", "seq"),
        ("message.read", {"conversation": "g:x", "seq": 1.5}, "bad_field", "seq"),
        ("message.history", {"conversation": "g:x", "limit": 201}, "bad_field", "limit"),
        ("message.history", {"conversation": "g:x", "limit": 0}, "bad_field", "limit"),
        ("sync", {"cursors": []}, "bad_field", "cursors"),
        ("sync", {"cursors": {"x": 1}}, "bad_field", "cursors"),
        ("sync", {"cursors": {"p:a:b": -1}}, "bad_field", "cursors"),
        ("sync", {"cursors": {"p:a:b": 1, "g:日本": 1}}, "bad_field", "cursors"),
        ("sync", {"cursors": {"p:b:a": 1}}, "bad_field", "cursors"),
        ("group.list", {"after": "日本"}, "bad_field", "after"),
        ("group.members", {"group": "g", "after": "a b"}, "bad_field", "after"),
        ("sync", {"cursors": {f"g:{n}": 1 for n in range(401)}}, "too_large", None),
        ("group.create", {"name": "", "members": []}, "bad_field", "name"),
        ("group.create", {"name": "x", "members": ["u"] * 501}, "too_large", None),
        ("group.invite", {"group": "g", "users": []}, "bad_field", "users"),
        ("group.invite", {"group": "g", "users": ["a b"]}, "bad_field", "users"),
        ("account.register", {"username": "ann", "password": "short"}, "bad_field", "password"),
        ("account.register", {"username": "a n", "password": "longenough"}, "bad_field", "username"),
    ],
)
def test_what_is_wrong_is_named(op: str, data: dict[str, Any], code: str, field: str | None) -> None:
    refusal = _refused(op, data)
    assert (refusal.code, refusal.extra.get("field")) == (code, field)


def test_unknown_fields_are_ignored() -> None:
    assert read_args(OPS["message.send"], {**SEND, "sender": "bob"}) == read_args(OPS["message.send"], SEND)


def test_clients_find_their_ops_only() -> None:
    assert find_op("sync", Caller.CLIENT).name == "sync"
    for name, callers in [
        ("session.open", (Caller.CLIENT, Caller.ANYONE)),
        ("sync", (Caller.ANYONE,)),
        ("no.op", tuple(Caller)),
    ]:
        with pytest.raises(ImError) as refused:
            find_op(name, *callers)
        assert refused.value.code == "unknown_op"


def test_a_command_belongs_to_the_conversation_that_it_changes() -> None:
    def key(op: str, data: dict[str, Any]) -> str:
        found = OPS[op].key
        assert found is not None
        return found(ANN, read_args(OPS[op], data))

    assert key("message.send", SEND) == "p:ann:bob"
    assert key("group.leave", {"group": "team"}) == "g:team"
    made = created_group(ANN, "c1")
    assert key("group.create", {"name": "x", "members": [], "cid": "c1"}) == ids.group_conversation(made)
    assert made == created_group(UserInfo("ann", "app"), "c1") != created_group(UserInfo("bob"), "c1")


def test_the_digest_is_of_the_content() -> None:
    send = OPS["message.send"]

    def digest(op: Op = send, **changes: Any) -> bytes:
        return content_digest(op.name, read_args(op, {**SEND, **changes}))

    first = digest()
    assert len(first) == 16
    assert first == digest(unknown="field") == digest(mentions=None)
    others = [
        digest(body={"text": "ho"}),
        digest(conversation="p:ann:cat"),
        digest(reply_to=1),
        digest(type="markdown"),
    ]
    assert len({first, *others}) == 5
    invite, remove = ({"group": "g", "users": ["u"], "cid": "c"} for _ in range(2))
    assert content_digest("group.invite", read_args(OPS["group.invite"], invite)) != content_digest(
        "group.remove", read_args(OPS["group.remove"], remove)
    )


def test_an_interval_is_kept_on_every_door_that_an_op_comes_by() -> None:
    """Connections count it; calls over HTTP have none."""
    assert [op.name for op in OPS.values() if op.every_s and HTTP not in op.not_over] == []


def _required_only(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Values for the fields that may not be left out."""
    special = {"cid": "c1", "type": "text", "username": "ann", "password": "long enough", "new": "long enough"}
    special |= {"old": "x", "refresh": "x", "user": "bob", "group": "team", "name": "x", "terminal": "web"}
    special |= {"token": "x", "session": "s"}

    def value(field: msgspec.inspect.Field) -> Any:
        bare = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
        by_shape = {msgspec.inspect.IntType: 1, msgspec.inspect.DictType: {}, msgspec.inspect.ListType: ["bob"]}
        return special.get(field.name, by_shape.get(type(bare), "p:ann:bob"))

    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    return {field.name: value(field) for field in info.fields if field.required}


@pytest.mark.parametrize("kind", [*dict.fromkeys(op.args for op in OPS.values()), LoginInfo], ids=lambda k: k.__name__)
def test_null_for_an_optional_field_is_as_if_absent(kind: type[msgspec.Struct]) -> None:
    given = _required_only(kind)
    optional = [field.name for field in msgspec.structs.fields(kind) if not field.required]
    assert read_fields({**given, **dict.fromkeys(optional)}, kind) == read_fields(given, kind)


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_null_for_a_required_field_is_refused_by_its_name(op: Op) -> None:
    given = _required_only(op.args)
    for name in given:
        refusal = _refused(op.name, {**given, name: None})
        assert (refusal.code, refusal.extra["field"]) == ("bad_field", name)


def test_null_changes_no_digest() -> None:
    """A retry by a client that writes null where another leaves out is the same write."""
    plain, with_nulls = (read_args(OPS["message.send"], {**SEND, **more}) for more in ({}, {"mentions": None}))
    assert content_digest("message.send", plain) == content_digest("message.send", with_nulls)


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_every_op_that_a_client_sends_has_its_cost(op: Op) -> None:
    """What is internal counts for nobody; what holds a list, or asks for one, costs by it."""
    assert (op.cost.base > 0) == bool(op.callers & CLIENTS)
    fields = {"ids", "mentions", "users", "members", "limit", "cursors"} & set(op.args.__struct_fields__)
    assert fields == ({op.cost.per} if op.cost.per else set())


@pytest.mark.parametrize(
    ("op", "data", "cost"),
    [
        ("message.send", SEND, 1),
        ("message.send", {**SEND, "mentions": ["bob"] * 200}, 21),
        ("group.create", {"name": "x", "members": ["bob"] * 500}, 176),
        ("group.invite", {"group": "g", "users": ["bob"]}, 3),
        ("user.get", {"ids": ["bob"] * 200}, 11),
        ("message.history", {"conversation": "g:x"}, 1),
        ("message.history", {"conversation": "g:x", "limit": 200}, 3),
        ("sync", {"cursors": {f"g:{n}": 1 for n in range(400)}}, 9),
    ],
)
def test_a_command_costs_what_it_makes_us_do(op: str, data: dict[str, Any], cost: int) -> None:
    assert OPS[op].cost(read_args(OPS[op], data)) == cost
