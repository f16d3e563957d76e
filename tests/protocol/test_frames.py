"""Frames. Law: `read_frame` returns a Frame or raises ImError, nothing else, whatever the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import HTTP_STATUS, ImError, bad_field, busy
from protocol.frames import MAX_CLIENT_FRAME_BYTES, BadFrameField, Frame, read_frame, write_error, write_frame

PARTS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.text())
)
LOOSE = st.dictionaries(st.sampled_from(["op", "id", "data", "x"]), PARTS).map(json.dumps)
GARBAGE = st.text() | st.text(st.sampled_from('{}[]":,\\u0d op id data'), max_size=80)


@given(GARBAGE | LOOSE)
def test_a_frame_or_a_refusal(text: str) -> None:
    try:
        frame = read_frame(text)
    except ImError as refusal:
        assert refusal.code in HTTP_STATUS
        json.loads(write_error(refusal))
    else:
        assert isinstance(frame, Frame)
        assert isinstance(frame.op, str)
        assert isinstance(frame.data, dict)
        assert frame.id is None or 1 <= len(frame.id) <= 64


@given(LOOSE, st.integers(0, 60))
def test_half_a_frame_is_refused(text: str, cut: int) -> None:
    with pytest.raises(ImError):
        read_frame(text[: min(cut, len(text) - 1)])


def test_a_frame_has_an_op_and_perhaps_an_id_and_data() -> None:
    assert read_frame('{"op":"a","id":"17","data":{"x":[1]}}') == Frame("a", "17", {"x": [1]})
    assert read_frame('{"op":"heartbeat"}') == Frame("heartbeat", None, {})
    assert read_frame('{"op":"a","id":null,"more":[1]}') == Frame("a", None, {})


def test_null_is_as_if_absent_in_a_frame() -> None:
    assert read_frame('{"op":"a","id":null,"data":null}') == Frame("a", None, {})


def test_of_duplicate_keys_the_last_wins() -> None:
    assert read_frame('{"op":"a","op":"b","id":"1","id":"2"}') == Frame("b", "2", {})


def test_frames_share_no_data() -> None:
    read_frame('{"op":"a"}').data["mine"] = 1
    assert read_frame('{"op":"a"}').data == {}


@pytest.mark.parametrize("text", ["", "[]", '"x"', "null", "7", "{} {}", '{"op":NaN}', '{"op":"a","data":{"n":1e999}}'])
def test_what_is_no_json_object_is_a_bad_frame(text: str) -> None:
    with pytest.raises(ImError) as refused:
        read_frame(text)
    assert refused.value.code == "bad_frame"


@pytest.mark.parametrize(
    ("frame", "code", "field", "echoed"),
    [
        ({"id": "1"}, "unknown_op", None, "1"),
        ({"op": ["a"], "id": "1"}, "unknown_op", None, "1"),
        ({"op": None, "id": "1"}, "unknown_op", None, "1"),
        ({"op": "a", "id": 7}, "bad_field", "id", None),
        ({"op": "a", "id": True}, "bad_field", "id", None),
        ({"op": "a", "id": ""}, "bad_field", "id", None),
        ({"op": "a", "id": "x" * 65}, "bad_field", "id", None),
        ({"op": "a", "id": "1", "data": []}, "bad_field", "data", "1"),
        ({"op": "a", "id": "1", "data": 0}, "bad_field", "data", "1"),
    ],
)
def test_a_wrong_part_is_named(frame: dict[str, Any], code: str, field: str | None, echoed: str | None) -> None:
    with pytest.raises(BadFrameField) as refused:
        read_frame(json.dumps(frame))
    assert (refused.value.code, refused.value.extra.get("field"), refused.value.id) == (code, field, echoed)


def test_an_integer_that_no_field_holds_is_a_bad_field() -> None:
    with pytest.raises(ImError) as refused:
        read_frame('{"op":"a","data":{"n":' + "9" * 5000 + "}}")
    assert refused.value.code == "bad_field"


def test_a_frame_has_a_largest_size() -> None:
    fill = MAX_CLIENT_FRAME_BYTES - len('{"op":""}')
    assert read_frame(json.dumps({"op": "x" * fill}, separators=(",", ":"))).op == "x" * fill
    with pytest.raises(ImError) as refused:
        read_frame(json.dumps({"op": "x" * (fill + 1)}, separators=(",", ":")))
    assert refused.value.code == "too_large"


def test_frames_of_the_server() -> None:
    assert write_frame("resync") == b'{"op":"resync","data":{}}'
    assert write_frame("reply", b'{"seq":1}', "17") == b'{"op":"reply","id":"17","data":{"seq":1}}'
    assert json.loads(write_error(bad_field("cid", "it is missing"), "1")) == {
        "op": "error",
        "id": "1",
        "data": {"code": "bad_field", "message": "cid: it is missing", "retry": False, "field": "cid"},
    }
    assert json.loads(write_error(busy()))["data"]["retry"] is True
