"""One rule for what nobody sees, wherever something must be seen."""

from __future__ import annotations

import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import content
from protocol.errors import ImError
from protocol.ops import OPS, read_args
from protocol.usernames import check_username
from protocol.visible import has_invisible, is_visible, without_ignorable

UNSEEN = [
    "",
    " ",
    "\t\n",
    "\u200b",
    "\u2800",
    "\u3164",
    "\u00ad",
    "\ufe0f",
    "\u3000",
    "\x7f",
    "\u2066\u2069",
    "\U000e0041",
]
WHERE: list[tuple[str, dict[str, Any], str]] = [
    ("account.register", {"username": "u", "password": "correct horse", "name": "?"}, "name"),
    ("account.register", {"username": "?", "password": "correct horse"}, "username"),
    ("user.update", {"name": "?"}, "name"),
    ("group.create", {"members": [], "name": "?"}, "name"),
    ("friend.request", {"user": "bob", "text": "?"}, "text"),
]
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("text", {"text": "?"}),
    ("markdown", {"text": "?"}),
    ("file", {"url": "u", "size": 1, "name": "?"}),
    ("location", {"lat": 1, "lng": 1, "title": "?"}),
    ("forward", {"messages": [{}], "title": "?"}),
]


def filled(data: dict[str, Any], text: str) -> dict[str, Any]:
    return {name: text if value == "?" else value for name, value in data.items()}


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
def test_names_and_texts_of_nothing_visible_are_refused_everywhere(unseen: str) -> None:
    for op, data, field in WHERE:
        if not unseen and field == "text":
            continue  # that of a request may be left empty
        with pytest.raises(ImError) as refused:
            check_username(read_args(OPS[op], filled(data, unseen)).username)
        assert (refused.value.code, refused.value.extra) == ("bad_field", {"field": field}), op
        assert "regex" not in refused.value.message or field == "username"
    for type_, body in BODIES:
        if not unseen and "title" in body:
            continue  # a title may be left empty
        with pytest.raises(ImError) as refused:
            content.check_body(type_, filled(body, unseen))
        assert refused.value.code == "bad_field", type_
        assert "nothing to see" in refused.value.message


@pytest.mark.parametrize(
    "seen", ["a", "\u200ba", "鸿雁", "👩\u200d👧", "❤\ufe0f", "\u0301", "می\u200cخواهم"], ids=ascii
)
def test_what_holds_anything_visible_is_taken(seen: str) -> None:
    for op, data, field in WHERE[2:]:
        assert getattr(read_args(OPS[op], filled(data, seen)), field) == seen
    for type_, body in BODIES:
        content.check_body(type_, filled(body, seen))


@given(st.text())
def test_without_what_is_ignorable_a_text_holds_only_what_is_seen_and_spaces(text: str) -> None:
    rest = without_ignorable(text)
    assert not has_invisible("".join(rest.split())) and bool(rest.strip()) == is_visible(text)


def test_no_letter_digit_or_sign_is_called_invisible() -> None:
    """Of the categories that are seen only fillers and blanks are."""
    seen = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character)[0] in "LNPS" and has_invisible(character)
    ]
    assert seen == ["\u115f", "\u1160", "\u2800", "\u3164", "\uffa0", "\U0001d159"]
