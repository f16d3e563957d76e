"""The quick way to a command says what the careful way says, or nothing."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.client_command import read_command
from protocol.frames import read_frame
from protocol.ops import OPS, Caller, find_op, read_args

DATA: dict[str, Any] = {"conversation": "p:ann:bob", "cid": "c1", "type": "text", "body": {"text": "你好 \U0001f600"}}
SEND: dict[str, Any] = {"op": "message.send", "id": "7", "data": DATA}
PARTS = st.sampled_from(
    ['"', "\\", "\\ud800", "\\u0000", "{", "}", "[", "]", ",", ":", "1", "01", "NaN", "null", "\n", "é"]
)


def carefully(text: str) -> tuple[str, bytes, str | None]:
    frame = read_frame(text)
    op = find_op(frame.op, Caller.CLIENT, Caller.ANYONE)
    return op.name, msgspec.json.encode(read_args(op, frame.data)), frame.id


def agree(text: str) -> bool:
    """Whether the quick way took it. What it takes, the careful way takes alike."""
    command = read_command(text)
    if command is not None:
        assert (command.op.name, msgspec.json.encode(command.args), command.id) == carefully(text)
        assert isinstance(command.args, command.op.args)
    return command is not None


@pytest.mark.parametrize(
    "frame",
    [
        SEND,
        {"op": "sync", "data": {"cursors": {"p:ann:bob": 3}}},
        {"op": "conversation.list", "id": "x"},
        {"op": "group.create", "id": "1", "data": {"name": "team", "members": []}},
        {**SEND, "more": [1, {"x": None}]},
    ],
)
def test_what_is_plainly_right_is_taken(frame: dict[str, Any]) -> None:
    assert agree(json.dumps(frame))
    assert agree(json.dumps(frame, ensure_ascii=False, indent=1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '"message.send"',
        json.dumps({**SEND, "op": "session.open"}),
        json.dumps({"op": "conversation.list", "data": None}),
        json.dumps({"op": "conversation.list", "data": {"limit": None}}),
        json.dumps({**SEND, "op": "login"}),
        json.dumps({**SEND, "op": "nothing"}),
        json.dumps({**SEND, "id": ""}),
        json.dumps({**SEND, "data": None}),
        json.dumps({**SEND, "data": {**DATA, "conversation": "p:bob:ann"}}),
        json.dumps({**SEND, "data": {**DATA, "body": {"text": "\0"}}}),
        json.dumps({**SEND, "data": {**DATA, "unknown": 1}}),
        json.dumps({**SEND, "data": {**DATA, "body": {"text": "x" * 65_536}}}),
        json.dumps({**SEND, "data": {**DATA, "body": json.loads("[" * 20 + "]" * 20)}}),
        json.dumps({"op": "sync", "data": {"cursors": {"nowhere": 3}}}),
    ],
)
def test_the_rest_takes_the_careful_way(text: str) -> None:
    assert read_command(text) is None


@given(st.data())
def test_they_agree_about_whatever_a_frame_is_turned_into(data: st.DataObject) -> None:
    op = data.draw(st.sampled_from(sorted(OPS)))
    text = json.dumps({**SEND, "op": data.draw(st.sampled_from([op, "message.send"]))}, ensure_ascii=False)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(PARTS) + text[at + data.draw(st.integers(0, 2)) :]
    agree(text)
