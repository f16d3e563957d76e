"""Identifiers of protocol.md section 1."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ids

IDENT = st.from_regex(r"[A-Za-z0-9_.\-]{1,64}", fullmatch=True)


@given(IDENT, IDENT)
def test_a_private_conversation_is_the_same_from_both_sides(one: str, other: str) -> None:
    conversation = ids.private_conversation(one, other)
    assert conversation == ids.private_conversation(other, one)
    assert ids.parse_conversation(conversation) == ("p", tuple(sorted([one, other])), "")


@given(IDENT)
def test_groups_and_notices_have_conversations(ident: str) -> None:
    assert ids.parse_conversation(ids.group_conversation(ident)) == ("g", (), ident)
    assert ids.parse_conversation(f"s:{ident}") == ("s", (ident,), "")


@given(st.text(max_size=150))
def test_what_is_parsed_is_written_the_same(text: str) -> None:
    parsed = ids.parse_conversation(text)
    if parsed is not None:
        assert text == f"{parsed.kind}:{':'.join(parsed.users) or parsed.group}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p",
        "p:",
        "p:a",
        "p:b:a",
        "p:a:b:c",
        "p::a",
        "g:",
        "g:a b",
        "g:a\n",
        "s:",
        "x:a",
        "g:é",
        "G:a",
        "p:a:" + "b" * 65,
    ],
)
def test_what_is_no_conversation(text: str) -> None:
    assert ids.parse_conversation(text) is None


def test_cids_that_are_derived_are_ours() -> None:
    assert ids.derived_cid("a").startswith("~")


def test_fresh_ids_differ_and_are_ids() -> None:
    made = {ids.new_id() for _ in range(1000)}
    assert len(made) == 1000 and all(map(ids.is_id, made))


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_derived_ids_are_the_same_for_the_same_parts_only(one: list[str], other: list[str]) -> None:
    assert ids.is_id(ids.derived_id(*one))
    is_same = "\0".join(one) == "\0".join(other)
    assert (ids.derived_id(*one) == ids.derived_id(*other)) == is_same


@given(st.text(), st.integers(1, 64))
def test_a_partition_is_the_checksum_of_its_key(key: str, partitions: int) -> None:
    assert ids.partition_of(key, partitions) == zlib.crc32(key.encode()) % partitions
