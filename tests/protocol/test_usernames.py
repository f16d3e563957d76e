"""User names: which are one, and which nobody may register."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ImError
from protocol.usernames import check_username, username_key
from protocol.visible import has_invisible


@pytest.mark.parametrize(
    "same",
    [
        ("Bob", "bob", "BOB", "\uff22\uff4f\uff42", "bob\u200b", "b\u00adob"),
        ("caf\u00e9", "cafe\u0301", "CAF\u00c9"),
        ("stra\u00dfe", "STRASSE", "stra\u1e9ee"),
        ("\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3"),
        ("\ufb01sh", "fish"),
    ],
    ids=ascii,
)
def test_names_that_are_one_have_one_key(same: tuple[str, ...]) -> None:
    assert len({username_key(name) for name in same}) == 1


def test_a_key_is_its_own_key_for_every_character() -> None:
    keys = {username_key(chr(number)) for number in range(sys.maxunicode + 1) if not 0xD800 <= number < 0xE000}
    assert [ascii(key) for key in keys if not has_invisible(key) and username_key(key) != key] == []


@given(st.text(max_size=64))
def test_every_form_of_a_name_that_may_be_registered_has_its_key(name: str) -> None:
    try:
        check_username(name)
    except ImError as refusal:
        assert refusal.extra == {"field": "username"}
        return
    for other in (name.upper(), name.lower(), *(unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC"))):
        assert username_key(other) == username_key(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "bob\u200b",
        "\u3164",
        "\u2800",
        "a\ufe0f",
        "\xa8",
        "\uff3fsystem",
        "_x",
        "\u0378",
        "\ufdfa" * 4,
        "a\u202eb",
    ],
    ids=ascii,
)
def test_these_names_nobody_registers(name: str) -> None:
    with pytest.raises(ImError) as refused:
        check_username(name)
    assert (refused.value.code, refused.value.extra) == ("bad_field", {"field": "username"})


@pytest.mark.parametrize("name", ["bob", "Bob.42", "鸿雁", "émile", "김철수", "ユーザー", "محمد", "🦢"])
def test_these_names_anybody_registers(name: str) -> None:
    check_username(name)
