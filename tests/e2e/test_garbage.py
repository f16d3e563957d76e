"""Bytes that no client of ours would send: the named error, the connection as protocol.md says, no traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hongyan.doors import DOORS

from protocol.frames import MAX_CLIENT_FRAME_BYTES
from protocol.ids import private_conversation
from tests.deployments import Deployment
from tests.e2e.conftest import NewSocket, NewUser
from tests.http_calls import api, request

SEND = {"conversation": "p:a:b", "cid": "c1", "type": "text", "body": {"text": "hello"}}


def frame(data: str, op: str = '"message.send"', frame_id: str = '"g"') -> str:
    return f'{{"op":{op},"id":{frame_id},"data":{data}}}'


def send(**changes: Any) -> str:
    """A send with some fields changed; None drops one."""
    return json.dumps({key: value for key, value in {**SEND, **changes}.items() if value is not None})


BAD_FRAMES = {
    "empty": "",
    "not_json": "hello",
    "half": '{"op":"heartbeat"',
    "two": "{} {}",
    "array": "[]",
    "string": '"x"',
    "null": "null",
    "single_quotes": "{'op':'heartbeat'}",
    "trailing_comma": '{"op":"heartbeat",}',
    "leading_zero": frame('{"seq":01}', '"message.read"'),
    "NaN": frame('{"seq":NaN}', '"message.read"'),
    "Infinity": frame('{"seq":Infinity}', '"message.read"'),
    "minus_Infinity": frame('{"seq":-Infinity}', '"message.read"'),
    "1e999": frame('{"body":{"x":1e999}}'),
    "depth_17": frame("[" * 16 + "]" * 16),
    "depth_30000": "[" * 30_000 + "]" * 30_000,
    "lone_high_surrogate": frame('{"cid":"\\ud800"}'),
    "lone_low_surrogate": frame('{"cid":"\\udc00x"}'),
    "nul": frame('{"cid":"a\\u0000b"}'),
    "nul_in_a_key": frame('{"a\\u0000":1}'),
    "raw_control_character": frame('{"cid":"a\x01b"}'),
}

BAD_FIELDS = {
    "no_cid": frame(send(cid=None)),
    "no_conversation": frame(send(conversation=None)),
    "no_body": frame(send(body=None)),
    "no_type": frame(send(type=None)),
    "cid_of_65": frame(send(cid="c" * 65)),
    "empty_cid": frame(send(cid="")),
    "cid_with_space": frame(send(cid="a b")),
    "cid_with_newline": frame(send(cid="a\n")),
    "cid_as_object": frame(send(cid={"$ne": None})),
    "cid_of_the_gateways": frame(send(cid="~c")),
    "body_as_text": frame(send(body="hello")),
    "empty_body": frame(send(body={})),
    "text_as_number": frame(send(body={"text": 1})),
    "empty_text": frame(send(body={"text": ""})),
    "invisible_text": frame(send(body={"text": " \u200b\u2060\n"})),
    "unknown_type": frame(send(type="telepathy")),
    "an_event": frame(send(type="notice")),
    "a_recall": frame(send(type="recall", body={"seq": 1})),
    "users_out_of_order": frame(send(conversation="p:b:a")),
    "no_such_kind": frame(send(conversation="x:a")),
    "three_users": frame(send(conversation="p:a:b:c")),
    "conversation_with_slash": frame(send(conversation="g:a/b")),
    "conversation_as_list": frame(send(conversation=["p:a:b"])),
    "mentions_as_text": frame(send(mentions="all")),
    "mentions_nobody": frame(send(mentions=["no such user!"])),
    "reply_to_zero": frame(send(reply_to=0)),
    "data_as_list": frame("[]"),
    "data_as_text": frame('"x"'),
    "data_null": frame("null"),
    "5000_digits": frame('{"seq":' + "9" * 5000 + "}", '"message.read"'),
    "2^63": frame('{"conversation":"p:a:b","seq":9223372036854775808}', '"message.read"'),
    "2^53+1": frame('{"conversation":"p:a:b","seq":9007199254740993}', '"message.read"'),
    "minus_one": frame('{"conversation":"p:a:b","seq":-1}', '"message.read"'),
    "zero": frame('{"conversation":"p:a:b","seq":0}', '"message.read"'),
    "fraction": frame('{"conversation":"p:a:b","seq":1.5}', '"message.read"'),
    "true_as_seq": frame('{"conversation":"p:a:b","seq":true}', '"message.read"'),
    "text_as_seq": frame('{"conversation":"p:a:b","seq":"1"}', '"message.read"'),
    "null_as_seq": frame('{"conversation":"p:a:b","seq":null}', '"message.read"'),
    "limit_201": frame('{"conversation":"p:a:b","limit":201}', '"message.history"'),
    "limit_zero": frame('{"conversation":"p:a:b","limit":0}', '"message.history"'),
    "before_and_after": frame('{"conversation":"p:a:b","before":5,"after":1}', '"message.history"'),
    "cursor_minus_one": frame('{"cursors":{"p:a:b":-1}}', '"sync"'),
    "cursor_true": frame('{"cursors":{"p:a:b":true}}', '"sync"'),
    "cursors_as_list": frame('{"cursors":[]}', '"sync"'),
    "after_of_nothing": frame('{"after":"rubbish"}', '"conversation.list"'),
    "no_group": frame("{}", '"group.get"'),
    "group_with_quote": frame("{\"group\":\"a' OR '1'='1\"}", '"group.get"'),
    "nobody_to_invite": frame('{"group":"a","users":[]}', '"group.invite"'),
    "no_name": frame('{"name":"","members":[]}', '"group.create"'),
    "unknown_join": frame('{"name":"a","members":[],"join":"maybe"}', '"group.create"'),
    "all_as_number": frame('{"all":1}', '"account.logout"'),
}

TOO_LARGE = {
    "text_of_16_KiB_and_1": frame(send(body={"text": "x" * (16 * 1024 + 1)})),
    "text_of_6_Ki_han": frame(send(body={"text": "雁" * 6 * 1024})),
    "501_members": frame(json.dumps({"name": "a", "members": ["u"] * 501}), '"group.create"'),
    "201_mentions": frame(send(mentions=["u"] * 201)),
    "201_ids": frame(json.dumps({"ids": ["u"] * 201}), '"user.get"'),
    "401_cursors": frame(json.dumps({"cursors": {f"g:g{n}": 0 for n in range(401)}}), '"sync"'),
}


async def check(new_socket: NewSocket, user: Any, raw: str, code: str, echoed: str | None) -> None:
    """`raw` is answered with `code`, and the connection goes on."""
    socket = await new_socket(user)
    await socket.write(raw)
    answer = await socket.read()
    assert (answer["op"], answer["data"]["code"], answer.get("id")) == ("error", code, echoed), answer
    assert not answer["data"]["retry"]
    assert answer["data"]["message"]
    assert len(answer["data"]["message"]) < 300
    assert (await socket.ask("user.get", {"ids": [user.id]}))["op"] == "reply"


@pytest.fixture
async def user(new_user: NewUser) -> Any:
    return new_user("mallory")


# What means something else at a door: over TCP a frame of no bytes ends the connection, a poll may send no frames.
ELSEWHERE = {("tcp", "empty"), ("poll", "array")}


@pytest.mark.parametrize(
    ("door", "name"),
    [(door, name) for door in DOORS for name in BAD_FRAMES if (door, name) not in ELSEWHERE],
    indirect=["door"],
)
async def test_what_is_no_frame(door: str, name: str, new_socket: NewSocket, user: Any) -> None:
    await check(new_socket, user, BAD_FRAMES[name], "bad_frame", None)


@pytest.mark.parametrize("name", BAD_FIELDS)
async def test_a_field_that_cannot_be(name: str, new_socket: NewSocket, user: Any) -> None:
    echoed = None if name == "5000_digits" else "g"
    await check(new_socket, user, BAD_FIELDS[name].replace("p:a:b", f"p:{user.id}:zoe"), "bad_field", echoed)


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_what_is_over_its_limit(name: str, new_socket: NewSocket, user: Any) -> None:
    await check(new_socket, user, TOO_LARGE[name].replace("p:a:b", f"p:{user.id}:zoe"), "too_large", "g")


@pytest.mark.parametrize("op", ['"message.explode"', '""', "null", "7", '["message.send"]', '"session.open"', '"x"'])
async def test_no_such_op(op: str, new_socket: NewSocket, user: Any) -> None:
    await check(new_socket, user, frame("{}", op), "unknown_op", "g")


@pytest.mark.parametrize("frame_id", ["7", "true", '""', '"' + "i" * 65 + '"', "[]"])
async def test_an_id_that_cannot_be(frame_id: str, new_socket: NewSocket, user: Any) -> None:
    await check(new_socket, user, frame("{}", frame_id=frame_id), "bad_field", None)


async def test_of_duplicate_keys_the_last_wins_and_unknown_fields_are_ignored(new_socket: NewSocket, user: Any) -> None:
    socket = await new_socket(user)
    data = '{"ids":["x"],"ids":["USER"],"z":0}'.replace("USER", user.id)
    await socket.write('{"op":"x","op":"user.get","id":"0","id":"1","more":{"a":1},"data":' + data + "}")
    assert [found["id"] for found in (await socket.answer("1"))["data"]["users"]] == [user.id]


async def test_a_forged_sender_is_ignored(new_socket: NewSocket, new_user: NewUser, user: Any) -> None:
    bob = new_user("bob")
    at_bob, socket = await new_socket(bob, 1), await new_socket(user, 0)
    await socket.ask("message.send", {**SEND, "conversation": private_conversation(user.id, bob.id), "sender": bob.id})
    assert (await at_bob.read())["data"]["sender"] == user.id


async def test_depth_16_is_taken_where_nothing_of_it_is_sent_on(
    new_socket: NewSocket, new_user: NewUser, user: Any
) -> None:
    conversation = private_conversation(user.id, new_user("bob").id)
    deep: Any = "x"
    for _ in range(14):  # frame and data are two more
        deep = [deep]
    socket = await new_socket(user)
    data = {"conversation": conversation, "cid": "deep", "type": "custom", "body": {}}
    assert (await socket.ask("message.send", {**data, "unknown": deep}))["op"] == "reply"
    # In history it would stand 18 deep.
    in_body = await socket.ask("message.send", {**data, "cid": "in_body", "body": {"deep": deep[0]}})
    assert (in_body["data"]["code"], in_body["data"]["field"]) == ("bad_field", "body")
    await socket.write_frame("message.send", {**data, "cid": "deeper", "unknown": [deep]}, id="1")
    assert (await socket.read())["data"]["code"] == "bad_frame"


async def test_three_bad_frames_in_ten_seconds_end_the_connection(new_socket: NewSocket, user: Any) -> None:
    socket = await new_socket(user)
    for _ in range(3):
        await socket.write("rubbish")
    code, frames = await socket.closed()
    assert code == 4002
    assert [f["data"]["code"] for f in frames] == ["bad_frame"] * 3


async def test_unknown_ops_are_no_offence(new_socket: NewSocket, user: Any) -> None:
    """Those of a newer contract among them: its clients stay connected."""
    socket = await new_socket(user)
    for number in range(30):
        answer = await socket.ask(("message.delivered", "no.such")[number % 2], {})
        assert answer["data"]["code"] == "unknown_op"
    assert (await socket.ask("user.get", {"ids": [user.id]}))["op"] == "reply"


async def test_a_frame_without_id_gets_no_reply(new_socket: NewSocket, new_user: NewUser, user: Any) -> None:
    bob = new_user("bob")
    socket, at_bob = await new_socket(user, 0), await new_socket(bob, 1)
    await socket.write_frame("message.send", {**SEND, "conversation": private_conversation(user.id, bob.id)})
    assert (await at_bob.read())["op"] == "message"
    assert (await socket.ask("user.get", {"ids": [user.id]}))["op"] == "reply"
    assert socket.others == []


@pytest.mark.parametrize("door", ["ws"], indirect=True)
async def test_binary_is_1003_and_too_much_is_1009(new_socket: NewSocket, user: Any) -> None:
    socket = await new_socket(user)
    await socket.write(b'{"op":"heartbeat"}')
    assert await socket.closed() == (1003, [])
    socket = await new_socket(user)
    await socket.write('{"op":"heartbeat","data":{"x":"' + "x" * MAX_CLIENT_FRAME_BYTES + '"}}')
    code, _ = await socket.closed()
    # What still lay unread in the kernel may turn the close into a reset.
    assert code in (1009, 1006)


async def test_strings_that_mean_something_elsewhere_are_only_text(
    new_socket: NewSocket, new_user: NewUser, user: Any
) -> None:
    conversation = private_conversation(user.id, new_user("bob").id)
    socket = await new_socket(user)
    texts = [
        "' OR 1=1 --",
        "\\",
        "%",
        "_",
        "%s",
        "<script>alert(1)</script>",
        "👩‍👩‍👧 \U0001f9a2",
        "\u202eabc",
        "\u00bf'",
        "{}",
    ]
    for number, text in enumerate(texts):
        data = {**SEND, "conversation": conversation, "cid": f"'%s{number}\\", "body": {"text": text}}
        assert (await socket.ask("message.send", data))["op"] == "reply"
    messages = (await socket.ask("message.history", {"conversation": conversation}))["data"]["messages"]
    assert [message["body"]["text"] for message in messages] == texts


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_the_same_over_http(name: str, deployment: Deployment, user: Any) -> None:
    raw = BAD_FRAMES[name].encode("utf-8", "surrogatepass")
    if name == "empty":
        raw = b" "
    answer = await api(deployment.ports[0], "message.send", raw, user.token)
    assert (answer.status, answer.code) == (400, "bad_frame")


async def test_http_limits(deployment: Deployment, user: Any) -> None:
    port = deployment.ports[0]
    big = await api(port, "message.send", b'{"x":"' + b"x" * MAX_CLIENT_FRAME_BYTES + b'"}', user.token)
    assert (big.status, big.code) == (413, "too_large")
    latin = await api(port, "user.get", b'{"ids":["\xe9"]}', user.token)
    assert (latin.status, latin.code) == (400, "bad_frame")
    deep = await api(port, "user.get", b'{"ids":' + b"[" * 30_000 + b"]" * 30_000 + b"}", user.token)
    assert (deep.status, deep.code) == (400, "bad_frame")
    null = request(port, "POST", "/api/%00", b"{}")
    assert null.status == (400 if deployment.kind == "through" else 404)  # nginx takes no such address


async def test_the_logs_hold_no_traceback(deployment: Deployment) -> None:
    logs = deployment.logs()
    assert "Traceback" not in logs
    assert '"level": "error"' not in logs
