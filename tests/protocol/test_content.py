"""What a message may say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec, content
from protocol.errors import ImError

URL = "https://files.example.com/a.png"
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("text", {"text": "hello"}),
    ("text", {"text": "你好 👋 \u202e"}),
    ("text", {"text": "x" * content.MAX_TEXT_BYTES}),
    ("text", {"text": "' OR 1=1 -- <script>", "colour": "red"}),
    ("markdown", {"text": "*hi*"}),
    ("image", {"url": URL, "width": 10, "height": 10}),
    ("image", {"url": URL, "width": 10, "height": 10, "thumb": URL}),
    ("voice", {"url": URL, "seconds": 2.5}),
    ("video", {"url": URL, "seconds": 9}),
    ("file", {"url": URL, "name": "报告.pdf", "size": 0}),
    ("location", {"lat": -90, "lng": 180.0, "title": ""}),
    ("card", {"user": "bob"}),
    ("card", {"group": "team"}),
    ("forward", {"title": "t", "messages": [{"seq": 1}]}),
    ("custom", {}),
    ("custom", {"anything": [1, None, {"a": True}]}),
]
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("text", {}, "bad_field"),
    ("text", {"text": 1}, "bad_field"),
    ("text", {"text": {"$ne": None}}, "bad_field"),
    ("text", {"text": ""}, "bad_field"),
    ("text", {"text": " \t\n\u200b\u2060\ufeff\u3000"}, "bad_field"),
    ("text", {"text": "x" * (content.MAX_TEXT_BYTES + 1)}, "too_large"),
    ("text", {"text": "鸿" * 5462}, "too_large"),
    ("image", {"url": URL, "width": 0, "height": 1}, "bad_field"),
    ("image", {"url": URL, "width": True, "height": 1}, "bad_field"),
    ("image", {"width": 1, "height": 1}, "bad_field"),
    ("voice", {"url": URL, "seconds": -1}, "bad_field"),
    ("file", {"url": URL, "name": "", "size": 1}, "bad_field"),
    ("file", {"url": URL, "name": "a", "size": 2**63}, "bad_field"),
    ("location", {"lat": 90.1, "lng": 0, "title": ""}, "bad_field"),
    ("card", {}, "bad_field"),
    ("card", {"user": "bob", "group": "team"}, "bad_field"),
    ("card", {"user": "b o b"}, "bad_field"),
    ("forward", {"title": "t", "messages": []}, "bad_field"),
    ("notice", {"event": "joined"}, "bad_field"),
    ("recall", {"seq": 1}, "bad_field"),
    ("nothing", {}, "bad_field"),
]


@pytest.mark.parametrize(("type_", "body"), GOOD)
def test_what_a_client_may_send(type_: str, body: dict[str, Any]) -> None:
    content.check_body(type_, body)
    assert json.loads(content.encode_body(body)) == body
    assert content.is_countable(type_)


@pytest.mark.parametrize(("type_", "body", "code"), BAD)
def test_what_a_client_may_not_send(type_: str, body: dict[str, Any], code: str) -> None:
    with pytest.raises(ImError) as refused:
        content.check_body(type_, body)
    assert refused.value.code == code


@given(
    st.sampled_from([*content.BODIES, "notice", "x"]),
    st.dictionaries(
        st.sampled_from(
            ["text", "url", "width", "height", "seconds", "name", "size", "lat", "lng", "title", "user", "messages"]
        ),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
    ),
)
def test_a_body_passes_or_is_refused(type_: str, body: dict[str, Any]) -> None:
    try:
        content.check_body(type_, body)
    except ImError as refusal:
        assert refusal.code in ("bad_field", "too_large")


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_an_integer_that_readers_cannot_hold_is_refused(number: int) -> None:
    for body in ({"n": number}, {"a": [{"b": number}]}):
        with pytest.raises(ImError) as refused:
            content.encode_body(body)
        assert refused.value.code == "bad_field"


def test_wide_numbers_within_64_bits_and_digits_in_text_are_kept() -> None:
    body = {"text": "9" * 40, "n": [2**63 - 1, -(2**63)]}
    assert json.loads(content.encode_body(body)) == body


@pytest.mark.parametrize("written", ["1e15", "1.0", "-0.0", "0.1000000000000000055", "9223372036854775807", "1E5"])
def test_a_number_comes_back_as_it_was_written(written: str) -> None:
    text = f'{{"x":[{written}],"deep":{{"y":{written}}}}}'
    body = codec.read_as_written(text)
    content.check_body("custom", body)
    assert content.encode_body(body) == text


def test_typed_numbers_of_a_body_are_checked_and_come_back_as_they_were_written() -> None:
    body = codec.read_as_written('{"lat":2.50e1,"lng":-0.10,"title":""}')
    content.check_body("location", body)
    assert content.encode_body(body) == '{"lat":2.50e1,"lng":-0.10,"title":""}'
    with pytest.raises(ImError):
        content.check_body("location", codec.read_as_written('{"lat":9.1e1,"lng":0.0,"title":""}'))


def test_a_body_is_measured_as_it_is_stored() -> None:
    fits = {"x": "é" * ((content.MAX_BODY_BYTES - len('{"x":""}')) // 2)}
    assert len(content.encode_body(fits).encode()) == content.MAX_BODY_BYTES
    for body in ({"x": fits["x"] + "a"}, {"x": "\x01" * (content.MAX_BODY_BYTES // 6 + 1)}):
        with pytest.raises(ImError) as refused:
            content.encode_body(body)
        assert refused.value.code == "too_large"


def nested(depth: int) -> dict[str, Any]:
    """An object of so many levels."""
    return {"in": nested(depth - 1)} if depth > 1 else {}


def test_nesting_is_counted_where_a_body_will_stand() -> None:
    content.check_body("custom", nested(content.MAX_BODY_DEPTH))
    received = {"seq": 1, "type": "custom", "body": nested(content.MAX_BODY_DEPTH - 3)}
    content.check_body("forward", {"title": "", "messages": [received]})
    again = {"seq": 2, "type": "forward", "body": {"title": "", "messages": [received]}}
    for type_, body in (
        ("custom", nested(content.MAX_BODY_DEPTH + 1)),
        ("forward", {"title": "", "messages": [again]}),
    ):
        with pytest.raises(ImError) as refused:
            content.check_body(type_, body)
        assert (refused.value.code, refused.value.extra["field"]) == ("bad_field", "body")


def test_events_do_not_count() -> None:
    assert not any(map(content.is_countable, ["notice", "recall"]))
